#include "textflag.h"

// The loops of the gram gate for processors with AVX2 that lack AVX-512: AMD's up to Zen 3, Intel's from Haswell on. Each does what
// a function in Go beside it says, and is compared with that by a test; read that one first, then vectors512_amd64.s, which does the
// same with twice as much at a time.
//
// Y0 to Y15 are registers of 32 bytes: eight lanes of 32 bits (instructions that end in D), or 16 of words (W), or 32 of bytes (B).
// X0 is the lower half of Y0. There are no registers for masks: a comparison makes lanes of ones or zeroes, and VMOVMSKPS takes the
// highest bit of each lane to an ordinary register. Nothing moves lanes together by a mask, so VPERMD does, by a row of a table that
// says which lane comes where (together).
//
// What leaves nothing in the upper halves of registers for code that knows only the lower ones is VZEROUPPER, before each return.
// None of this can be interrupted for the collector, so each loop has a bound: a batch of the gate, or about enoughHits.

// How far each of eight places is from the first: every second byte of sixteen.
DATA everyOther<>+0(SB)/8, $0x0000000200000000
DATA everyOther<>+8(SB)/8, $0x0000000600000004
DATA everyOther<>+16(SB)/8, $0x0000000A00000008
DATA everyOther<>+24(SB)/8, $0x0000000E0000000C
GLOBL everyOther<>(SB), RODATA|NOPTR, $32

// CONST fills all lanes of Y with a number, by way of X, its lower half.
#define CONST(number, X, Y) \
	MOVL $number, AX  \
	VMOVD AX, X       \
	VPBROADCASTD X, Y

// KEEP stores at R10 those of the eight lanes of Y whose bits in AX are set, together, and moves R10 on. R9 is the table for that.
#define KEEP(Y, permute) \
	VPMOVZXBD (R9)(AX*8), permute \
	VPERMD Y, permute, permute    \
	VMOVDQU permute, (R10)        \ // what is stored behind them the next round overwrites
	POPCNTL AX, AX                \
	LEAQ (R10)(AX*4), R10

// FOUR takes the four numbers of X to ordinary registers. To store and load them takes longer, and so does a gather where processors
// of AMD's have one.
#define FOUR(X) \
	VMOVQ X, AX         \
	VPEXTRQ $1, X, R12  \
	MOVL AX, BX         \
	SHRQ $32, AX        \
	MOVL R12, R13       \
	SHRQ $32, R12

// BIT doubles R11 and adds the bit of the bitmap at DI that has a number.
#define BIT(number) \
	MOVL number, R14       \
	SHRL $5, R14           \
	MOVL (DI)(R14*4), R14  \ // thirty-two bits; BTL looks at the lowest five of the number
	BTL number, R14        \
	ADCL R11, R11

// func mark256(bitmap *[bitmapWords]uint64, text string, from, to, n int, places *[gramBatch]int32, together *lanes) (marked, next int, high uint32)
//
// DI bitmap, SI text, CX the place, R8 the last one, R10 where the next that is marked goes, R9 together; Y0 the eight places.
TEXT ·mark256(SB), NOSPLIT, $0-84
	MOVQ bitmap+0(FP), DI
	MOVQ text_base+8(FP), SI
	MOVQ text_len+16(FP), BX
	MOVQ from+24(FP), CX
	MOVQ to+32(FP), R8
	MOVQ n+40(FP), AX
	MOVQ places+48(FP), R10
	LEAQ (R10)(AX*4), R10
	MOVQ together+56(FP), R9
	SUBQ $2, BX
	CMPQ BX, R8
	CMOVQLT BX, R8
	SUBQ $16, R8 // the last place at which sixteen bytes begin, and two more are of the text

	VMOVD CX, X0
	VPBROADCASTD X0, Y0
	VPADDD everyOther<>(SB), Y0, Y0
	CONST(0x20202020, X1, Y1) // foldWord
	CONST(0x9E3779B1, X2, Y2) // hashFactor
	CONST(31, X3, Y3)
	CONST(16, X4, Y4) // how far the places move on
	VPXOR Y5, Y5, Y5 // all words, one over the other
	JMP check

eight:
	// The words: two bytes of each place, and the two behind them, folded.
	VPMOVZXWD (SI)(CX*1), Y6
	VPMOVZXWD 2(SI)(CX*1), Y7
	VPSLLD $16, Y7, Y7
	VPOR Y1, Y6, Y6
	VPOR Y6, Y7, Y7
	VPOR Y7, Y5, Y5
	// Their hashes: the upper sixteen bits say which thirty-two bits of the bitmap, the next five which of these.
	VPMULLD Y2, Y7, Y7
	VPSRLD $16, Y7, Y8
	VPSRLD $11, Y7, Y7
	// The bits of four places are got in ordinary registers, and those of the other four in these, so that a processor is busy with
	// both kinds. The one that is asked for is moved to the top of a lane: 31 less the five bits.
	VEXTRACTI128 $1, Y7, X10
	VPANDN X3, X7, X7
	XORL R11, R11
	FOUR(X10)
	BIT(R12)
	BIT(R13)
	BIT(AX)
	BIT(BX)
	SHLL $4, R11
	FOUR(X8)
	VMOVD (DI)(BX*4), X9
	VPINSRD $1, (DI)(AX*4), X9, X9
	VPINSRD $2, (DI)(R13*4), X9, X9
	VPINSRD $3, (DI)(R12*4), X9, X9
	VPSLLVD X7, X9, X9
	VMOVMSKPS X9, AX
	ORL R11, AX
	KEEP(Y0, Y6)
	VPADDD Y4, Y0, Y0
	ADDQ $16, CX

check:
	CMPQ CX, R8
	JLE eight

	VPMOVMSKB Y5, AX
	VZEROUPPER
	SUBQ places+48(FP), R10
	SHRQ $2, R10
	MOVQ R10, marked+64(FP)
	MOVQ CX, next+72(FP)
	MOVL AX, high+80(FP)
	RET

// What a byte counts as beside a gram, by its halves. Each half has marks in a table of sixteen, and those that both have say what
// the byte is. As signed numbers, those above zero are of a word, and the one below is a blank.
//
//	mark  high half  low half
//	0x02  4 6        1 to F      A to O, a to o
//	0x04  5 7        0 to A      P to Z, p to z
//	0x08  5          F           _
//	0x40  3          0 to 9      a digit
//	0x80  0          9 A C D     a tab, an end of a line or of a page
DATA besideHigh<>+0(SB)/8, $0x04020C0240000080
DATA besideHigh<>+8(SB)/8, $0
GLOBL besideHigh<>(SB), RODATA|NOPTR, $16

DATA besideLow<>+0(SB)/8, $0x4646464646464644
DATA besideLow<>+8(SB)/8, $0x0A0282820286C646
GLOBL besideLow<>(SB), RODATA|NOPTR, $16

// MARKED makes the marks of the bytes of X in marks.
#define MARKED(X, marks, low) \
	VPSRLW  $4, X, marks         \ // the high halves, with bits of their neighbours
	VPAND   Y10, marks, marks    \ // the high halves
	VPSHUFB marks, Y8, marks     \ // their marks
	VPSHUFB X, Y9, low           \ // those of the low halves; none for what is beyond ASCII
	VPAND   low, marks, marks

// ROWS loads sixteen bytes for each of the eight numbers in Y7, from where they say behind a base, and makes of them Y0, the first
// four bytes for each, Y1, the next four, and Y2, the four behind these.
#define ROWS(base, scale) \
	FOUR(X7)                                    \
	VMOVDQU base(BX*scale), X0                  \
	VMOVDQU base(AX*scale), X1                  \
	VMOVDQU base(R13*scale), X2                 \
	VMOVDQU base(R12*scale), X3                 \
	VEXTRACTI128 $1, Y7, X7                     \
	FOUR(X7)                                    \
	VINSERTI128 $1, base(BX*scale), Y0, Y0      \
	VINSERTI128 $1, base(AX*scale), Y1, Y1      \
	VINSERTI128 $1, base(R13*scale), Y2, Y2     \
	VINSERTI128 $1, base(R12*scale), Y3, Y3     \
	VPUNPCKLDQ Y1, Y0, Y4                       \
	VPUNPCKLDQ Y3, Y2, Y5                       \
	VPUNPCKHDQ Y1, Y0, Y6                       \
	VPUNPCKHDQ Y3, Y2, Y7                       \
	VPUNPCKLQDQ Y5, Y4, Y0                      \
	VPUNPCKHQDQ Y5, Y4, Y1                      \
	VPUNPCKLQDQ Y7, Y6, Y2

// ASKED turns a cell so that its lowest bit is the one of a pair, or the gram's own: pair becomes both, one over the other.
#define ASKED(cell, pair) \
	VPXOR Y14, pair, pair   \ // as the gram turns them
	VPAND Y12, pair, pair   \
	VPSRLVD pair, cell, pair \
	VPSRLVD Y13, cell, cell \
	VPOR cell, pair, pair

// func sift256(buckets *[buckets + 1]gramBucket, text string, places *[gramBatch]int32, from, to int, together *[256][8]uint8) (kept int)
//
// DI buckets, SI text, DX places, CX the next one, R8 where they end; R10 where the next that is kept goes, R9 together.
TEXT ·sift256(SB), NOSPLIT, $40-64
	MOVQ buckets+0(FP), DI
	MOVQ text_base+8(FP), SI
	MOVQ places+24(FP), DX
	MOVQ from+32(FP), CX
	MOVQ to+40(FP), R8
	MOVQ together+48(FP), R9
	LEAQ (DX)(CX*4), R10
	MOVQ R10, first-40(SP)

	VBROADCASTI128 besideHigh<>(SB), Y8
	VBROADCASTI128 besideLow<>(SB), Y9
	CONST(0x0F0F0F0F, X10, Y10)
	CONST(0x20202020, X11, Y11) // foldWord
	CONST(31, X12, Y12)
	JMP more

places:
	// The text from siftBack bytes before each place on: two bytes and two of the gram, the other two and two behind it, four more.
	VMOVDQU (DX)(CX*4), Y7
	ROWS(-2(SI), 1)
	VPSRLD $16, Y0, Y3
	VPSLLD $16, Y1, Y4
	VPOR Y4, Y3, Y3 // the gram
	VPSRLD $16, Y1, Y1
	VPSLLD $16, Y2, Y2
	VPOR Y2, Y1, Y1 // the four bytes behind it

	// Its hash. From now on: Y14 the bits that turn pairs, Y13 the gram's own bit.
	VPOR Y11, Y3, Y3
	CONST(0x9E3779B1, X2, Y2) // hashFactor
	VPMULLD Y2, Y3, Y3
	VPSRLD $1, Y3, Y14
	VPSRLD $6, Y3, Y13
	VPAND Y12, Y13, Y13
	VPSRLD $16, Y3, Y3
	VPADDD Y3, Y3, Y7 // the number of its bucket, twice

	// The kinds of what stands before: of words, in one case, or zero, and before a zero there is none.
	VPXOR Y15, Y15, Y15
	MARKED(Y0, Y2, Y3)
	VPCMPGTB Y15, Y2, Y2
	VPOR Y11, Y0, Y0
	VPAND Y2, Y0, Y0
	VPSRLW $8, Y0, Y2
	VPCMPEQW Y15, Y2, Y2
	VPANDN Y0, Y2, Y0
	// And behind: of words in one case, blanks as one, none beyond ASCII.
	MARKED(Y1, Y2, Y3)
	VPOR Y1, Y2, Y3
	VPCMPGTB Y3, Y15, Y3 // a blank, or beyond ASCII
	VPANDN Y1, Y3, Y1
	VPCMPEQB Y15, Y2, Y2
	VPANDN Y11, Y2, Y2 // the bit of lower case, for words and blanks
	VPOR Y2, Y1, Y1
	// The bits of the pairs: Y0 before, Y1 behind, and beyond that in the upper half.
	CONST(0x9E379E37, X2, Y2) // siftFactor
	VPMULLW Y2, Y0, Y0
	VPSRLW $11, Y0, Y15
	VPMULLW Y2, Y1, Y1
	VPSRLW $11, Y1, Y1
	VMOVDQU Y1, pairs-32(SP)

	// The cells of its bucket, which has sixteen bytes.
	ROWS((DI), 8)
	ASKED(Y0, Y15)
	VMOVDQU pairs-32(SP), Y4
	VPSRLD $16, Y4, Y5
	ASKED(Y1, Y4)
	ASKED(Y2, Y5)
	VPAND Y15, Y4, Y4
	VPAND Y4, Y5, Y5
	VPSLLD $31, Y5, Y5
	VMOVMSKPS Y5, AX
	MOVQ R8, BX
	SUBQ CX, BX
	MOVL $8, R12
	CMPQ BX, R12
	CMOVQGT R12, BX
	BZHIL BX, AX, AX // not those behind the last
	VMOVDQU (DX)(CX*4), Y0
	KEEP(Y0, Y1)
	ADDQ $8, CX

more:
	CMPQ CX, R8
	JLT places

	VZEROUPPER
	SUBQ first-40(SP), R10
	SHRQ $2, R10
	MOVQ R10, kept+56(FP)
	RET

// The qwords of which as many as there are slots, at most four, are ones: those from the fourth less the number on.
DATA someSlots<>+0(SB)/8, $-1
DATA someSlots<>+8(SB)/8, $-1
DATA someSlots<>+16(SB)/8, $-1
DATA someSlots<>+24(SB)/8, $-1
DATA someSlots<>+32(SB)/8, $0
DATA someSlots<>+40(SB)/8, $0
DATA someSlots<>+48(SB)/8, $0
DATA someSlots<>+56(SB)/8, $0
GLOBL someSlots<>(SB), RODATA|NOPTR, $64

// func compare256(buckets *[buckets + 1]gramBucket, slots []gramSlot, text string, places *[gramBatch]int32, from, to int, hits []gramHit, together *[256][8]uint8) (stopped, found int)
//
// DI buckets, R8 slots, SI text, DX places, CX the next one; R10 where the next hit goes, R9 together. Here registers are four
// lanes of 64 bits (Q), a slot or a hit in each.
TEXT ·compare256(SB), NOSPLIT, $0-120
	MOVQ buckets+0(FP), DI
	MOVQ slots_base+8(FP), R8
	MOVQ text_base+32(FP), SI
	MOVQ places+48(FP), DX
	MOVQ from+56(FP), CX
	MOVQ hits_base+72(FP), R10
	MOVQ together+96(FP), R9
	LEAQ someSlots<>+32(SB), R13
	MOVL $0xFFFF, AX
	VMOVD AX, X6
	VPBROADCASTQ X6, Y6 // the tag of a slot
	JMP enough

place:
	// The hash of the gram, and its bucket of sixteen bytes.
	MOVL (DX)(CX*4), AX
	VMOVD AX, X0
	VPBROADCASTD X0, Y0
	MOVL (SI)(AX*1), AX
	ORL $0x20202020, AX // foldWord
	IMULL $0x9E3779B1, AX // hashFactor
	MOVL AX, BX
	SHRL $16, BX
	SHLQ $4, BX
	MOVL 12(DI)(BX*1), R11 // its first slot
	MOVL 28(DI)(BX*1), R12 // that of the next bucket
	MOVWLZX AX, AX
	VMOVD AX, X1
	VPBROADCASTQ X1, Y1

four:
	// Four slots, or as many as there are, of which those are kept whose tag is the same.
	MOVL R12, BX
	SUBL R11, BX
	MOVL $4, AX
	CMPL BX, AX
	CMOVLGT AX, BX
	MOVL $-1, AX
	BZHIL BX, AX, AX // as many bits as slots
	NEGQ BX
	VMOVDQU (R13)(BX*8), Y5
	VPMASKMOVQ (R8)(R11*8), Y5, Y2
	VPAND Y6, Y2, Y3
	VPCMPEQQ Y1, Y3, Y3
	VMOVMSKPD Y3, BX
	ANDL BX, AX
	// A hit: in the lower half of the lane the place less where in the route the gram begins, in the upper one the probe.
	VPSRAD $16, Y2, Y3
	VPSUBD Y3, Y0, Y3
	VPBLENDD $0xAA, Y2, Y3, Y3
	// Each lane is two of 32 bits: its bit twice.
	MOVL $0x55555555, BX
	PDEPL BX, AX, AX
	LEAL (AX)(AX*2), AX
	KEEP(Y3, Y4)
	ADDL $4, R11
	CMPL R11, R12
	JLT four
	INCQ CX

enough:
	MOVQ R10, AX
	SUBQ hits_base+72(FP), AX
	CMPQ AX, $(4096*8) // enoughHits
	JGE done
	CMPQ CX, to+64(FP)
	JLT place

done:
	VZEROUPPER
	MOVQ CX, stopped+104(FP)
	SUBQ hits_base+72(FP), R10
	SHRQ $3, R10
	MOVQ R10, found+112(FP)
	RET

// OF adds to Y1 the classes of the bytes in Y0 of which table has them: the sixteen classes from some byte on in its lower half, and
// in its upper half those from 64 bytes further on. Others get zero, for what is not one of sixteen gets the highest bit.
#define OF(first, table) \
	VPXOR first, Y0, Y2     \
	VPADDUSB Y11, Y2, Y2    \
	VPSHUFB Y2, table, Y2   \
	VPOR Y2, Y1, Y1

// HALVES makes a register of the classes from two bytes on.
#define HALVES(from, X, Y) \
	VMOVDQU from(BX), X              \
	VINSERTI128 $1, from+64(BX), Y, Y

// func check256(checks *routeCheck, classes *[256]uint8, text string, hits *gramHit, n int) (kept int)
//
// DI checks, SI text, DX hits, CX how many, R10 the next one, R9 how many are kept, R8 the last place that is checked.
TEXT ·check256(SB), NOSPLIT, $0-56
	MOVQ checks+0(FP), DI
	MOVQ classes+8(FP), BX
	MOVQ text_base+16(FP), SI
	MOVQ text_len+24(FP), R8
	MOVQ hits+32(FP), DX
	MOVQ n+40(FP), CX
	SUBQ $16, R8 // the last place at which sixteen bytes begin
	HALVES(0, X4, Y4)
	HALVES(16, X5, Y5)
	HALVES(32, X6, Y6)
	HALVES(48, X7, Y7)
	VPXOR X12, X12, X12 // the bytes from which on: 0 in the lower half and 64 in the upper one, and sixteen more each
	CONST(0x40404040, X0, Y0)
	VINSERTI128 $1, X0, Y12, Y12
	CONST(0x10101010, X0, Y0)
	VPADDB Y0, Y12, Y13
	VPADDB Y0, Y13, Y14
	VPADDB Y0, Y14, Y15
	CONST(0x70707070, X11, Y11) // makes what is above fifteen have the highest bit
	XORL R9, R9 // kept
	XORL R10, R10
	JMP enough

hit:
	MOVQ (DX)(R10*8), R11 // the place in the lower half, the probe in the upper one
	MOVQ R11, (DX)(R9*8)
	MOVLQSX R11, R12
	SHRQ $32, R11
	DECQ R12 // checkedBefore
	MOVL $1, AX
	CMPQ R12, R8
	JHI keep // at an end of the text, a few times; one before its begin is a very large number here

	// The classes of sixteen bytes, zero for those beyond ASCII.
	VBROADCASTI128 (SI)(R12*1), Y0
	VPXOR Y1, Y1, Y1
	OF(Y12, Y4)
	OF(Y13, Y5)
	OF(Y14, Y6)
	OF(Y15, Y7)
	VEXTRACTI128 $1, Y1, X0
	VPOR X0, X1, X1
	// And whether each is one of those that there may be: its bit becomes the lowest one.
	VPMOVZXBD X1, Y0
	VPSRLDQ $8, X1, X1
	VPMOVZXBD X1, Y1
	SHLQ $6, R11 // a check has 64 bytes
	VMOVDQU (DI)(R11*1), Y2
	VMOVDQU 32(DI)(R11*1), Y3
	VPSRLVD Y0, Y2, Y2
	VPSRLVD Y1, Y3, Y3
	VPAND Y2, Y3, Y3
	VPSLLD $31, Y3, Y3
	VMOVMSKPS Y3, BX
	XORL AX, AX
	CMPL BX, $0xFF
	SETEQ AX // 1 if each is

keep:
	ADDQ AX, R9
	INCQ R10

enough:
	CMPQ R10, CX
	JLT hit
	VZEROUPPER
	MOVQ R9, kept+48(FP)
	RET
