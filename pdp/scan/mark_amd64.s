#include "textflag.h"

// How far each of sixteen places is from the first: every second byte of thirty-two.
DATA everySecond<>+0(SB)/8, $0x0000000200000000
DATA everySecond<>+8(SB)/8, $0x0000000600000004
DATA everySecond<>+16(SB)/8, $0x0000000A00000008
DATA everySecond<>+24(SB)/8, $0x0000000E0000000C
DATA everySecond<>+32(SB)/8, $0x0000001200000010
DATA everySecond<>+40(SB)/8, $0x0000001600000014
DATA everySecond<>+48(SB)/8, $0x0000001A00000018
DATA everySecond<>+56(SB)/8, $0x0000001E0000001C
GLOBL everySecond<>(SB), RODATA|NOPTR, $64

// func markVectors(bitmap *[bitmapWords]uint64, text string, from, to int, places *[gramBatch]int32) (n, next int, high uint32)
TEXT ·markVectors(SB), NOSPLIT, $0-68
	MOVQ bitmap+0(FP), DI
	MOVQ text_base+8(FP), SI
	MOVQ text_len+16(FP), BX
	MOVQ from+24(FP), CX
	MOVQ to+32(FP), R8
	MOVQ places+40(FP), DX
	XORL R9, R9 // n
	SUBQ $2, BX
	CMPQ BX, R8
	CMOVQLT BX, R8
	SUBQ $32, R8 // the last place at which thirty-two bytes begin, and two more are of the text

	VPBROADCASTD CX, Z0
	VPADDD everySecond<>(SB), Z0, Z0 // the sixteen places
	MOVL $0x20202020, AX
	VPBROADCASTD AX, Z1 // foldWord
	MOVL $0x9E3779B1, AX
	VPBROADCASTD AX, Z2 // hashFactor
	MOVL $1, AX
	VPBROADCASTD AX, Z3
	MOVL $32, AX
	VPBROADCASTD AX, Z4
	VPXORD Z5, Z5, Z5 // all words, one over the other
	JMP check

sixteen:
	// The words: two bytes of each place, and the two behind them, folded.
	VPMOVZXWD (SI)(CX*1), Z6
	VPMOVZXWD 2(SI)(CX*1), Z7
	VPSLLD $16, Z7, Z7
	VPTERNLOGD $0xFE, Z1, Z6, Z7
	VPORD Z7, Z5, Z5
	// Their hashes: the upper sixteen bits say which thirty-two bits of the bitmap, the next five which of these.
	VPMULLD Z2, Z7, Z7
	VPSRLD $16, Z7, Z8
	VPSRLD $11, Z7, Z7
	KXNORW K1, K1, K1
	VPXORD Z9, Z9, Z9
	VPGATHERDD (DI)(Z8*4), K1, Z9
	VPRORVD Z7, Z9, Z9
	VPTESTMD Z3, Z9, K2
	// The places whose bit is set move together; what is stored behind them the next round overwrites.
	VPCOMPRESSD Z0, K2, Z6
	VMOVDQU32 Z6, (DX)(R9*4)
	KMOVW K2, AX
	POPCNTL AX, AX
	ADDQ AX, R9
	VPADDD Z4, Z0, Z0
	ADDQ $32, CX

check:
	CMPQ CX, R8
	JLE sixteen

	MOVL $0x80808080, AX
	VPBROADCASTD AX, Z6
	VPTESTMD Z6, Z5, K2
	KMOVW K2, AX
	VZEROUPPER
	MOVQ R9, n+48(FP)
	MOVQ CX, next+56(FP)
	MOVL AX, high+64(FP)
	RET
