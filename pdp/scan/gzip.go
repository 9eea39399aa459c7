package scan

import (
	"bytes"
	"compress/gzip"
	"io"
)

// unzip unpacks gzip, whatever is in it for which there is room. What it unpacks counts even if it is not used, so
// that an inspection never unpacks more than maxDecodeBytes.
type unzip struct {
	room int  // bytes that may still be unpacked
	over bool // something did not fit
	zip  gzip.Reader
}

func isPacked(b []byte) bool { return len(b) > 18 && b[0] == 0x1f && b[1] == 0x8b && b[2] == 8 }

// unpack is nil if nothing could be read or if it is not text. A stream that breaks off says what it said until then.
func (z *unzip) unpack(b []byte) []byte {
	if z.room <= 0 {
		z.over = true
		return nil
	}
	if z.zip.Reset(bytes.NewReader(b)) != nil {
		return nil
	}
	out, err := io.ReadAll(io.LimitReader(&z.zip, int64(z.room)+1))
	switch {
	case len(out) > z.room:
		z.room, z.over = 0, true
		return nil
	case err != nil && len(out) == 0:
		return nil
	}
	z.room -= len(out)
	if !isText(out) {
		return nil
	}
	return out
}
