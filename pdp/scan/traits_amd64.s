#include "textflag.h"

// A byte is told by its halves, as blockmarks_amd64.s does it. Each half has traits in a table of sixteen, and those that both
// have are the byte's:
//
//	trait  high half  low half
//	0x01   2          5 6         % &
//	0x02   3          C D         < =
//	0x04   5          C           \
//	0x08   3          0 to 9      a digit
//	0x10   2          F           /
//	0x20   0          A           a line feed
DATA traitsHigh<>+0(SB)/8, $0x000004000A110020
DATA traitsHigh<>+8(SB)/8, $0
GLOBL traitsHigh<>(SB), RODATA|NOPTR, $16

DATA traitsLow<>+0(SB)/8, $0x0809090808080808
DATA traitsLow<>+8(SB)/8, $0x1000020600200808
GLOBL traitsLow<>(SB), RODATA|NOPTR, $16

DATA half<>+0(SB)/4, $0x0F
GLOBL half<>(SB), RODATA|NOPTR, $4

// TRAITS adds those of the 32 bytes at (SI) to Y3, and the bytes themselves to Y4.
#define TRAITS \
	VMOVDQU (SI), Y0     \
	VPOR    Y0, Y4, Y4   \
	VPSRLW  $4, Y0, Y1   \ // the high halves, with bits of their neighbours
	VPAND   Y12, Y1, Y1  \ // the high halves
	VPSHUFB Y1, Y14, Y1  \ // their traits
	VPSHUFB Y0, Y15, Y0  \ // those of the low halves; none for what is beyond ASCII
	VPAND   Y1, Y0, Y0   \
	VPOR    Y0, Y3, Y3

// func avx2Traits(text string) uint8
TEXT ·avx2Traits(SB), NOSPLIT, $0-17
	MOVQ text_base+0(FP), SI
	MOVQ text_len+8(FP), CX

	VBROADCASTI128 traitsLow<>(SB), Y15
	VBROADCASTI128 traitsHigh<>(SB), Y14
	VPBROADCASTB   half<>(SB), Y12
	VPXOR Y3, Y3, Y3
	VPXOR Y4, Y4, Y4
	LEAQ  -32(SI)(CX*1), DI // where the last 32 bytes are
	JMP   next

some:
	TRAITS
	ADDQ $32, SI

next:
	CMPQ SI, DI
	JB   some
	MOVQ DI, SI // some of them again, which makes no difference
	TRAITS

	VPMOVMSKB Y4, BX
	VEXTRACTI128 $1, Y3, X0
	VPOR    X0, X3, X3
	VPSRLDQ $8, X3, X0
	VPOR    X0, X3, X3
	VMOVQ   X3, AX
	VZEROUPPER
	MOVQ AX, DX
	SHRQ $32, DX
	ORQ  DX, AX
	MOVQ AX, DX
	SHRQ $16, DX
	ORQ  DX, AX
	MOVQ AX, DX
	SHRQ $8, DX
	ORQ  DX, AX
	TESTL BX, BX
	JZ   narrow
	ORQ  $0x80, AX

narrow:
	MOVB AX, ret+16(FP)
	RET
