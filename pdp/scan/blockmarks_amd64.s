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

// func vectorMarks(marks []blockMarks, text string, kinds *[utf8.RuneSelf]uint8)
//
// The same with a table of all ASCII in two registers of 64 bytes each; vectors512_amd64.s explains what is beyond AVX2 here.
TEXT ·vectorMarks(SB), NOSPLIT, $0-48
	MOVQ marks_base+0(FP), DI
	MOVQ marks_len+8(FP), CX
	MOVQ text_base+24(FP), SI
	MOVQ kinds+40(FP), BX
	TESTQ CX, CX
	JZ    none

	VMOVDQU32 0(BX), Z16
	VMOVDQU32 64(BX), Z17
	MOVL $0x80808080, AX
	VPBROADCASTD AX, Z22 // what only bytes beyond ASCII have
	MOVL $0x01010101, AX
	VPBROADCASTD AX, Z23 // 1<<digitMarks
	VPADDB Z23, Z23, Z24 // 1<<wordMarks
	VPADDB Z24, Z24, Z25 // 1<<tokenMarks

whole:
	VMOVDQU32 (SI), Z0
	VPTESTNMB Z22, Z0, K1
	VPERMI2B.Z Z17, Z16, K1, Z0 // the kinds of each byte
	VPTESTMB Z23, Z0, K2
	VPTESTMB Z24, Z0, K3
	VPTESTMB Z25, Z0, K4
	KMOVQ K2, 0(DI)
	KMOVQ K3, 8(DI)
	KMOVQ K4, 16(DI)
	ADDQ $64, SI
	ADDQ $24, DI
	DECQ CX
	JNZ  whole

	VZEROUPPER
none:
	RET

// SIXTEENTHS leaves of the bits in X each that is the sixteenth of a run. The lowest sixteen, before which more is to be seen, may
// be wrong.
#define SIXTEENTHS(X, Y) \
	LEAQ (X)(X*1), Y  \
	ANDQ Y, X         \ // ends of two
	LEAQ 0(X*4), Y    \
	ANDQ Y, X         \ // of four
	MOVQ X, Y         \
	SHLQ $4, Y        \
	ANDQ Y, X         \ // of eight
	MOVQ X, Y         \
	SHLQ $8, Y        \
	ANDQ Y, X         \ // of sixteen
	LEAQ (X)(X*1), Y  \
	ANDNQ X, Y, X

// PLACE stores the place of the lowest bit of AX, of which BX is the block's, behind n others. The flag of zero says whether that
// was the last bit; LEAQ leaves it as it is.
#define PLACE(n, at) \
	TZCNTQ AX, R12      \
	ADDL   BX, R12      \
	MOVL   R12, n*4(at) \
	BLSRQ  AX, AX

// func startBits(blocks []blockMarks, from int, numbers, runs *[markBatch]int32) (n, m int)
//
// SI blocks, CX how many are left, DI the next place for a number, DX for a run, R8 the digits and R9 the tokens of the block
// before, R10 where the block begins. What is stored behind the last place the next one, or nobody, reads.
TEXT ·startBits(SB), NOSPLIT, $0-64
	MOVQ blocks_base+0(FP), SI
	MOVQ blocks_len+8(FP), CX
	MOVQ from+24(FP), R10
	MOVQ numbers+32(FP), DI
	MOVQ runs+40(FP), DX
	MOVQ 0(SI), R8
	MOVQ 16(SI), R9
	JMP  after

each:
	// The digits with none before them.
	MOVQ  0(SI), AX
	LEAQ  (AX)(AX*1), BX
	SHRQ  $63, R8
	ORQ   R8, BX
	MOVQ  AX, R8
	ANDNQ AX, BX, AX
	POPCNTQ AX, R11
	MOVQ  R10, BX
	PLACE(0, DI)
	PLACE(1, DI)
	PLACE(2, DI)
	LEAQ  (DI)(R11*4), R11
	JNZ   crowded

numbered:
	MOVQ R11, DI

	// The ends of sixteen bytes of a token, in this block's halves. For the first one, the half before it is put below.
	MOVQ 16(SI), AX
	MOVQ AX, R12
	SHLQ $32, R12
	SHRQ $32, R9
	ORQ  R9, R12
	MOVQ AX, R9
	SIXTEENTHS(AX, BX)
	SIXTEENTHS(R12, R11)
	SHRQ $32, R12
	SHRQ $32, AX
	SHLQ $32, AX
	ORQ  R12, AX
	POPCNTQ AX, R11
	LEAQ -15(R10), BX // longRunBytes-1
	PLACE(0, DX)
	LEAQ (DX)(R11*4), R11
	JNZ  long

ran:
	MOVQ R11, DX
	ADDQ $64, R10

after:
	ADDQ $24, SI
	DECQ CX
	JNZ  each

	SUBQ numbers+32(FP), DI
	SHRQ $2, DI
	MOVQ DI, n+48(FP)
	SUBQ runs+40(FP), DX
	SHRQ $2, DX
	MOVQ DX, m+56(FP)
	RET

crowded:
	ADDQ $12, DI
more:
	PLACE(0, DI)
	LEAQ 4(DI), DI
	JNZ  more
	JMP  numbered

long:
	LEAQ 4(DX), DX
longer:
	PLACE(0, DX)
	LEAQ 4(DX), DX
	JNZ  longer
	JMP  ran
