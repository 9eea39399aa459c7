#include "textflag.h"

// TAKE lets a run take one of the eight bytes at R12: a state has 64 numbers of sixteen bits, one for each class.
#define TAKE(at) \
	MOVBLZX at(R12), R13        \
	MOVBLZX (R14)(R13*1), R13   \
	SHLL $6, BX                 \
	ORL R13, BX                 \
	MOVWLZX (DI)(BX*2), BX

// func advanceRuns(next *atomic.Uint32, classes *[256]uint8, text string, hits, places *int32, states *uint32, n int) (kept int)
//
// It is compared by a test with tailTable.advanceEach. No vectors: to gather takes longer than to load one by one, the fewer runs the
// more, and the processor itself goes on with the next runs while it waits. It can't be interrupted for the collector, so it has a
// bound: enoughHits or a few more.
//
// DI next, R14 classes, SI text, DX hits, R8 places, R9 states, R10 the next run, R11 the next that is kept, CX how many there are.
TEXT ·advanceRuns(SB), NOSPLIT, $0-72
	MOVQ next+0(FP), DI
	MOVQ classes+8(FP), R14
	MOVQ text_base+16(FP), SI
	MOVQ hits+32(FP), DX
	MOVQ places+40(FP), R8
	MOVQ states+48(FP), R9
	MOVQ n+56(FP), CX
	XORL R10, R10
	XORL R11, R11
	JMP left

run:
	MOVLQSX (R8)(R10*4), AX
	MOVL (R9)(R10*4), BX
	LEAQ (SI)(AX*1), R12
	TAKE(0)
	TAKE(1)
	TAKE(2)
	TAKE(3)
	TAKE(4)
	TAKE(5)
	TAKE(6)
	TAKE(7)
	ADDL $8, AX // tailAtOnce
	MOVL (DX)(R10*4), R13
	MOVL R13, (DX)(R11*4) // over runs that were read
	MOVL AX, (R8)(R11*4)
	MOVL BX, (R9)(R11*4)
	XORL AX, AX
	CMPL BX, $1 // tailDead
	SETNE AX
	ADDQ AX, R11
	INCQ R10

left:
	CMPQ R10, CX
	JLT run
	MOVQ R11, kept+64(FP)
	RET
