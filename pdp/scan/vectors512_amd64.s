#include "textflag.h"

// The loops of the gram gate for processors with AVX-512 (F, BW, VBMI, VBMI2). Each does what a function in Go beside it says, and is
// compared with that by a test; read that one first. No loop has a branch but its own, and one for the ends of a text.
//
// Z0 to Z31 are registers of 64 bytes: here sixteen lanes of 32 bits (instructions that end in D), or 32 of words (W), or 64 of
// bytes (B). X0 is the lowest sixteen bytes of Z0. Sources come first and what is written last; a shift has its count first.
// K1 to K7 have a bit for each lane: a comparison (VPTESTM: have these lanes a bit in common?, VPTESTNM: have they none?) writes
// one, and as the last but one operand it says which lanes an instruction is for. The others keep what they have, or with .Z
// become zero.
//
// VPGATHERDD loads 32 bits for each lane of its mask, from an address plus the lane's index, and for the other lanes nothing, not
// even if there is no memory. It uses up its mask, and waits for what its target had before unless that is cleared.
// VPCOMPRESSD moves the lanes of its mask together, to the lowest ones.
//
// What leaves nothing in the upper halves of registers for code that knows only the lower ones is VZEROUPPER, before each return.
// None of this can be interrupted for the collector, so each loop has a bound: a batch of the gate, or about enoughHits.

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

// LOAD loads 32 bits each from where the four numbers of one register say, to the other.
#define LOAD(numbers, to) \
	VMOVQ numbers, AX                 \
	VPEXTRQ $1, numbers, R10          \
	MOVL AX, BX                       \
	SHRQ $32, AX                      \
	MOVL R10, R11                     \
	SHRQ $32, R10                     \
	VMOVD (DI)(BX*4), to              \
	VPINSRD $1, (DI)(AX*4), to, to    \
	VPINSRD $2, (DI)(R11*4), to, to   \
	VPINSRD $3, (DI)(R10*4), to, to

// func mark512(bitmap *[bitmapWords]uint64, text string, from, to, n int, places *[gramBatch]int32, gather bool) (marked, next int, high uint32)
//
// DI bitmap, SI text, CX the place, R8 the last one, DX places, R9 how many there are, R12 gather; Z0 the sixteen places as numbers.
TEXT ·mark512(SB), NOSPLIT, $0-84
	MOVQ bitmap+0(FP), DI
	MOVQ text_base+8(FP), SI
	MOVQ text_len+16(FP), BX
	MOVQ from+24(FP), CX
	MOVQ to+32(FP), R8
	MOVQ n+40(FP), R9
	MOVQ places+48(FP), DX
	MOVBLZX gather+56(FP), R12
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
	VPBROADCASTD AX, Z3 // the lowest bit
	MOVL $32, AX
	VPBROADCASTD AX, Z4 // how far the places move on
	VPXORD Z5, Z5, Z5 // all words, one over the other
	JMP check

sixteen:
	// The words: two bytes of each place, and the two behind them, folded.
	VPMOVZXWD (SI)(CX*1), Z6
	VPMOVZXWD 2(SI)(CX*1), Z7
	VPSLLD $16, Z7, Z7
	VPTERNLOGD $0xFE, Z1, Z6, Z7 // all three, one over the other
	VPORD Z7, Z5, Z5
	// Their hashes: the upper sixteen bits say which thirty-two bits of the bitmap, the next five which of these.
	VPMULLD Z2, Z7, Z7
	VPSRLD $16, Z7, Z8
	VPSRLD $11, Z7, Z7
	TESTB R12, R12
	JEQ oneByOne
	KXNORW K1, K1, K1 // all sixteen
	VPXORD Z9, Z9, Z9
	VPGATHERDD (DI)(Z8*4), K1, Z9

loaded:
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
	MOVQ R9, marked+64(FP)
	MOVQ CX, next+72(FP)
	MOVL AX, high+80(FP)
	RET

oneByOne:
	VEXTRACTI128 $1, Y8, X10
	VEXTRACTI64X4 $1, Z8, Y11
	VEXTRACTI128 $1, Y11, X12
	LOAD(X8, X9)
	LOAD(X10, X13)
	LOAD(X11, X14)
	LOAD(X12, X15)
	VINSERTI128 $1, X13, Y9, Y9
	VINSERTI128 $1, X15, Y14, Y14
	VINSERTI64X4 $1, Y14, Z9, Z9
	JMP loaded

// FOUR loads sixteen bytes each, one after the other into Z, from where every fourth of the numbers at R13 says, from the one at on.
#define FOUR(at, base, scale, X, Z) \
	MOVL at(R13), AX                             \
	MOVL (at+16)(R13), BX                        \
	MOVL (at+32)(R13), R9                        \
	MOVL (at+48)(R13), R12                       \
	VMOVDQU base(AX*scale), X                    \
	VINSERTI32X4 $1, base(BX*scale), Z, Z        \
	VINSERTI32X4 $2, base(R9*scale), Z, Z        \
	VINSERTI32X4 $3, base(R12*scale), Z, Z

// ROWS loads sixteen bytes each from where the sixteen numbers at R13 say, and makes of them the first, the second and the third 32
// bits of all, in Z1, Z2 and Z3. To gather these takes AMD's processors nearly twice as long.
#define ROWS(base, scale) \
	FOUR(0, base, scale, X4, Z4)                 \
	FOUR(4, base, scale, X5, Z5)                 \
	FOUR(8, base, scale, X6, Z6)                 \
	FOUR(12, base, scale, X7, Z7)                \
	VPUNPCKLDQ Z5, Z4, Z8                        \
	VPUNPCKLDQ Z7, Z6, Z9                        \
	VPUNPCKHDQ Z5, Z4, Z4                        \
	VPUNPCKHDQ Z7, Z6, Z6                        \
	VPUNPCKLQDQ Z9, Z8, Z1                       \
	VPUNPCKHQDQ Z9, Z8, Z2                       \
	VPUNPCKLQDQ Z6, Z4, Z3

// func sift512(buckets *[buckets + 1]gramBucket, kinds *siftKinds, text string, places *[gramBatch]int32, from, to int) (kept int)
//
// DI buckets, SI text, DX places, CX the next one, R8 where they end; R10 where the next that is kept goes, R11 the first did.
TEXT ·sift512(SB), NOSPLIT, $64-64
	MOVQ buckets+0(FP), DI
	MOVQ kinds+8(FP), BX
	MOVQ text_base+16(FP), SI
	MOVQ places+32(FP), DX
	MOVQ from+40(FP), CX
	MOVQ to+48(FP), R8
	LEAQ (DX)(CX*4), R10
	MOVQ R10, R11

	// The kinds of ASCII, 128 bytes in two registers each.
	VMOVDQU32 0(BX), Z16 // before a gram
	VMOVDQU32 64(BX), Z17
	VMOVDQU32 256(BX), Z18 // behind it
	VMOVDQU32 320(BX), Z19
	MOVL $0x20202020, AX
	VPBROADCASTD AX, Z20 // foldWord
	MOVL $0x9E3779B1, AX
	VPBROADCASTD AX, Z21 // hashFactor
	MOVL $0x80808080, AX
	VPBROADCASTD AX, Z22 // what only bytes beyond ASCII have
	MOVL $0xFF00FF00, AX
	VPBROADCASTD AX, Z23 // the second byte of a pair
	MOVL $0x9E379E37, AX
	VPBROADCASTD AX, Z24 // siftFactor
	MOVL $1, AX
	VPBROADCASTD AX, Z25 // the lowest bit
	MOVL $0xFFFF, AX
	KMOVW AX, K7 // the lanes that have a place of their own
	JMP more

places:
	// The gram, the four bytes behind it, and two before it with its first two.
	VMOVDQU32 (DX)(CX*4), Z0
	LEAQ (DX)(CX*4), R13
	ROWS(-2(SI), 1)
	VPSHRDD $16, Z2, Z1, Z4
	VPSHRDD $16, Z3, Z2, Z10
	VMOVDQA32 Z1, Z11

	// Its hash, and the three cells of its bucket, which has sixteen bytes.
	VPORD Z20, Z4, Z4
	VPMULLD Z21, Z4, Z12
	VPSRLD $16, Z12, Z4
	VPADDD Z4, Z4, Z4
	VMOVDQU32 Z4, numbers-64(SP)
	LEAQ numbers-64(SP), R13
	ROWS((DI), 8)

	// The kinds of the bytes beside it, zero for those beyond ASCII; before a kind of zero there is none. VPERMI2B looks each byte
	// up in a table of two registers.
	VPTESTNMB Z22, Z10, K2
	VPERMI2B.Z Z19, Z18, K2, Z10
	VPTESTNMB Z22, Z11, K2
	VPERMI2B.Z Z17, Z16, K2, Z11
	VPTESTMW Z23, Z11, K2
	VMOVDQU16.Z Z11, K2, Z11
	// The bits of the pairs: before it, behind it, and beyond that in the upper half.
	VPMULLW Z24, Z10, Z10
	VPSRLW $11, Z10, Z10
	VPMULLW Z24, Z11, Z11
	VPSRLW $11, Z11, Z11
	VPSRLD $16, Z10, Z4
	// Each turned as the gram turns them. What is rotated below is by the lowest five bits, whatever is above them.
	VPSRLD $1, Z12, Z8
	VPXORD Z8, Z10, Z10
	VPXORD Z8, Z11, Z11
	VPXORD Z8, Z4, Z4
	VPSRLD $6, Z12, Z8 // the gram's own bit

	// The lowest bit of each is what is asked of the cells now: for the pair or for the gram, and in all three cells.
	VPRORVD Z11, Z1, Z11
	VPRORVD Z8, Z1, Z1
	VPORD Z11, Z1, Z1
	VPRORVD Z10, Z2, Z10
	VPRORVD Z8, Z2, Z2
	VPORD Z10, Z2, Z2
	VPRORVD Z4, Z3, Z4
	VPRORVD Z8, Z3, Z3
	VPORD Z4, Z3, Z3
	VPANDD Z1, Z2, Z2
	VPANDD Z2, Z3, Z3
	VPTESTMD Z25, Z3, K7, K2

	VPCOMPRESSD Z0, K2, Z0
	VMOVDQU32 Z0, (R10) // over places that were read, or lie behind the last
	KMOVW K2, AX
	POPCNTL AX, AX
	LEAQ (R10)(AX*4), R10
	ADDQ $16, CX

more:
	MOVQ R8, R9
	SUBQ CX, R9 // places that are left
	JLE done
	CMPQ R9, $16
	JGE places
	MOVL $-1, AX
	BZHIL R9, AX, AX // as many bits as places
	KMOVW AX, K7
	JMP places

done:
	VZEROUPPER
	SUBQ R11, R10
	SHRQ $2, R10
	MOVQ R10, kept+56(FP)
	RET

// func compare512(buckets *[buckets + 1]gramBucket, slots []gramSlot, text string, places *[gramBatch]int32, from, to int, hits []gramHit) (stopped, found int)
//
// DI buckets, R8 slots, SI text, DX places, CX the next one, R13 eight; R10 where the next hit goes, R9 from where on
// that is enough. Here registers are eight lanes of 64 bits (Q), a slot or a hit in each.
TEXT ·compare512(SB), NOSPLIT, $0-112
	MOVQ buckets+0(FP), DI
	MOVQ slots_base+8(FP), R8
	MOVQ text_base+32(FP), SI
	MOVQ places+48(FP), DX
	MOVQ from+56(FP), CX
	MOVQ hits_base+72(FP), R10
	LEAQ (4096*8)(R10), R9 // enoughHits
	MOVL $0xFFFF, AX
	VPBROADCASTQ AX, Z16 // the tag of a slot
	MOVL $0xAAAA, AX
	KMOVW AX, K7 // the upper halves of the lanes, as lanes of 32 bits
	MOVL $8, R13
	JMP enough

place:
	// The hash of the gram, and its bucket of sixteen bytes.
	MOVL (DX)(CX*4), AX
	VPBROADCASTD AX, Z0
	MOVL (SI)(AX*1), AX
	ORL $0x20202020, AX // foldWord
	IMULL $0x9E3779B1, AX // hashFactor
	MOVL AX, BX
	SHRL $16, BX
	SHLQ $4, BX
	MOVL 12(DI)(BX*1), R11 // its first slot
	MOVL 28(DI)(BX*1), R12 // that of the next bucket
	MOVWLZX AX, AX
	VPBROADCASTQ AX, Z1

eight:
	// Eight slots, or as many as there are, of which those are kept whose tag is the same.
	MOVL R12, BX
	SUBL R11, BX
	CMPL BX, R13
	CMOVLGT R13, BX
	MOVL $-1, AX
	BZHIL BX, AX, AX // as many bits as slots
	KMOVW AX, K1
	VMOVDQU64.Z (R8)(R11*8), K1, Z2
	VPANDQ Z16, Z2, Z3
	VPCMPEQQ Z1, Z3, K1, K2
	// A hit: in the lower half of the lane the place less where in the route the gram begins, in the upper one the probe.
	VPSRAD $16, Z2, Z3
	VPSUBD Z3, Z0, Z3
	VMOVDQA32 Z2, K7, Z3
	VPCOMPRESSQ Z3, K2, Z3
	VMOVDQU64 Z3, (R10) // what is behind them the next ones overwrite
	KMOVW K2, AX
	POPCNTL AX, AX
	LEAQ (R10)(AX*8), R10
	ADDL $8, R11
	CMPL R11, R12
	JLT eight
	INCQ CX

enough:
	CMPQ R10, R9
	JGE done
	CMPQ CX, to+64(FP)
	JLT place

done:
	VZEROUPPER
	MOVQ CX, stopped+96(FP)
	SUBQ hits_base+72(FP), R10
	SHRQ $3, R10
	MOVQ R10, found+104(FP)
	RET

// func check512(checks *routeCheck, classes *[256]uint8, text string, hits *gramHit, n int) (kept int)
//
// DI checks, SI text, DX hits, CX how many, R10 the next one, R9 how many are kept, R8 the last place that is checked.
TEXT ·check512(SB), NOSPLIT, $0-56
	MOVQ checks+0(FP), DI
	MOVQ classes+8(FP), BX
	MOVQ text_base+16(FP), SI
	MOVQ text_len+24(FP), R8
	MOVQ hits+32(FP), DX
	MOVQ n+40(FP), CX
	SUBQ $16, R8 // the last place at which sixteen bytes begin
	VMOVDQU32 0(BX), Z16 // the classes of ASCII
	VMOVDQU32 64(BX), Z17
	MOVL $0x80808080, AX
	VPBROADCASTD AX, Z22 // what only bytes beyond ASCII have
	MOVL $1, AX
	VPBROADCASTD AX, Z25 // the bit of class zero
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

	// The classes of sixteen bytes, zero for those beyond ASCII, and whether each is one of those that there may be.
	VMOVDQU (SI)(R12*1), X0
	VPTESTNMB Z22, Z0, K2
	VPERMI2B.Z Z17, Z16, K2, Z0
	VPMOVZXBD X0, Z0
	VPSLLVD Z0, Z25, Z0 // the bits of the classes
	SHLQ $6, R11 // a check has 64 bytes
	VPTESTNMD (DI)(R11*1), Z0, K2 // where there may be none such
	XORL AX, AX
	KORTESTW K2, K2
	SETEQ AX // 1 if that is nowhere

keep:
	ADDQ AX, R9
	INCQ R10

enough:
	CMPQ R10, CX
	JLT hit
	VZEROUPPER
	MOVQ R9, kept+48(FP)
	RET

// func vendor() (name uint32)
TEXT ·vendor(SB), NOSPLIT, $0-4
	XORL AX, AX
	XORL CX, CX
	CPUID
	MOVL BX, name+0(FP)
	RET
