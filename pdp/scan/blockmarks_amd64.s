#include "textflag.h"

// A byte is told by its halves. Each half has marks in a table of sixteen, and those that both have say what the byte is:
//
//	mark  high half  low half
//	0x01  2          B D F       + - /
//	0x02  4 6        1 to F      A to O, a to o
//	0x04  5 7        0 to A      P to Z, p to z
//	0x08  5          F           _
//	0x40  3          0 to 9      a digit
//
// So what has a mark is of a token, what has one above 0x01 of a word, and one above 0x3F is a digit's.
DATA highHalf<>+0(SB)/8, $0x04020C0240010000
DATA highHalf<>+8(SB)/8, $0
GLOBL highHalf<>(SB), RODATA|NOPTR, $16

DATA lowHalf<>+0(SB)/8, $0x4646464646464644
DATA lowHalf<>+8(SB)/8, $0x0B02030203064646
GLOBL lowHalf<>(SB), RODATA|NOPTR, $16

DATA bounds<>+0(SB)/4, $0x3F010F00
GLOBL bounds<>(SB), RODATA|NOPTR, $4

// MARKS turns the 32 bytes of X into a bit for each that is a digit, of a word, of a token.
#define MARKS(X, high, digits, words, tokens) \
	VPSRLW    $4, X, high          \ // the high halves, with bits of their neighbours
	VPAND     Y12, high, high      \ // the high halves
	VPSHUFB   high, Y14, high      \ // their marks
	VPSHUFB   X, Y15, X            \ // those of the low halves; none for what is beyond ASCII
	VPAND     high, X, X           \ // the marks that both have
	VPCMPGTB  Y11, X, high         \ // above 0x3F
	VPMOVMSKB high, digits         \
	VPCMPGTB  Y13, X, high         \ // above 0x01
	VPMOVMSKB high, words          \
	VPCMPGTB  Y10, X, high         \ // above 0
	VPMOVMSKB high, tokens

// func avx2Marks(marks []blockMarks, text string)
TEXT ·avx2Marks(SB), NOSPLIT, $0-40
	MOVQ marks_base+0(FP), DI
	MOVQ marks_len+8(FP), CX
	MOVQ text_base+24(FP), SI
	TESTQ CX, CX
	JZ    done

	VBROADCASTI128 lowHalf<>(SB), Y15
	VBROADCASTI128 highHalf<>(SB), Y14
	VPBROADCASTB   bounds<>+1(SB), Y12
	VPBROADCASTB   bounds<>+2(SB), Y13
	VPBROADCASTB   bounds<>+3(SB), Y11
	VPXOR          Y10, Y10, Y10

block:
	VMOVDQU (SI), Y0
	VMOVDQU 32(SI), Y1
	MARKS(Y0, Y2, R8, R9, R10)
	MARKS(Y1, Y3, R11, R12, R13)

	// The second half of a block is the high half of its bits.
	SHLQ $32, R11
	SHLQ $32, R12
	SHLQ $32, R13
	ORQ  R11, R8
	ORQ  R12, R9
	ORQ  R13, R10
	MOVQ R8, 0(DI)
	MOVQ R9, 8(DI)
	MOVQ R10, 16(DI)

	ADDQ $64, SI
	ADDQ $24, DI
	DECQ CX
	JNZ  block

	VZEROUPPER
done:
	RET
