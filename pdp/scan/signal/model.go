package signal

import (
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sync"
)

// Model is a trained signal. It is immutable and safe for concurrent use.
type Model struct {
	bias, scale float32 // of the mean weight of a window's features
	weights     []int8  // by feature
	rates       []Rate  // highest score first
}

// Rate says how many of the benign texts, in cross-validation, reached a score.
type Rate struct {
	Score          float32
	PerTenThousand uint16
	AttackPerMille uint16 // how many of the attacks reached it
}

//go:embed model.bin
var shipped []byte

// Shipped is the model that is built into the program.
var Shipped = sync.OnceValue(func() *Model {
	m, err := Decode(shipped)
	if err != nil {
		panic(err) // a test decodes it
	}
	return m
})

// Score is the largest score of the text's windows: the logarithm of the odds that it is an attempt. Time is linear in the
// text, of which at most the first and the last 64 KiB are read.
func (m *Model) Score(text string) float64 {
	if len(text) > 2*maxBytes {
		return max(m.score(text[:maxBytes]), m.score(text[len(text)-maxBytes:]))
	}
	return m.score(text)
}

func (m *Model) score(text string) float64 {
	best := float64(m.bias)
	first := true
	var sum, n, lastSum, lastN, segment int
	close := func() {
		if s := m.of(sum+lastSum, n+lastN); first || s > best {
			best, first = s, false
		}
		lastSum, lastN, sum, n = sum, n, 0, 0
	}
	walk(text, func(at int, feature uint32) {
		if at/segmentBytes != segment {
			segment = at / segmentBytes
			close()
		}
		sum += int(m.weights[feature])
		n++
	})
	if n > 0 {
		close()
	}
	return best
}

func (m *Model) of(sum, n int) float64 {
	return float64(m.bias) + float64(m.scale)*float64(sum)/float64(max(n, leastFeatures))
}

// FalsePositives is the rate of benign texts that reached the score in cross-validation, or 1 if it is too low to say.
func (m *Model) FalsePositives(score float64) float64 {
	for _, r := range m.rates {
		if score >= float64(r.Score) {
			return float64(r.PerTenThousand) / 10_000
		}
	}
	return 1
}

// Rates are the steps of FalsePositives, strictest first.
func (m *Model) Rates() []Rate { return m.rates }

// magic says what the file is, and which features its weights belong to: walk and tableBits must not change without it.
const magic = "pcsig1\x00\x11"

var errNotAModel = errors.New("not a model of this version: run make train")

// Encode writes the model.
func (m *Model) Encode() []byte {
	out := []byte(magic)
	out = binary.LittleEndian.AppendUint32(out, math.Float32bits(m.bias))
	out = binary.LittleEndian.AppendUint32(out, math.Float32bits(m.scale))
	out = append(out, byte(len(m.rates)))
	for _, r := range m.rates {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(r.Score))
		out = binary.LittleEndian.AppendUint16(out, r.PerTenThousand)
		out = binary.LittleEndian.AppendUint16(out, r.AttackPerMille)
	}
	for _, w := range m.weights {
		out = append(out, byte(w))
	}
	return out
}

// Decode reads what Encode wrote.
func Decode(raw []byte) (*Model, error) {
	head := len(magic) + 9
	if len(raw) < head || string(raw[:len(magic)]) != magic {
		return nil, errNotAModel
	}
	at := raw[len(magic):]
	m := &Model{
		bias:  math.Float32frombits(binary.LittleEndian.Uint32(at)),
		scale: math.Float32frombits(binary.LittleEndian.Uint32(at[4:])),
	}
	rates := int(at[8])
	at = at[9:]
	if len(at) != 8*rates+1<<tableBits {
		return nil, fmt.Errorf("%w: %d bytes", errNotAModel, len(raw))
	}
	for range rates {
		m.rates = append(m.rates, Rate{
			Score:          math.Float32frombits(binary.LittleEndian.Uint32(at)),
			PerTenThousand: binary.LittleEndian.Uint16(at[4:]), AttackPerMille: binary.LittleEndian.Uint16(at[6:]),
		})
		at = at[8:]
	}
	m.weights = make([]int8, len(at))
	for i, b := range at {
		m.weights[i] = int8(b)
	}
	return m, nil
}
