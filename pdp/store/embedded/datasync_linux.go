package embedded

import (
	"errors"
	"os"
	"syscall"
)

// datasync makes what was written to a file durable, without what the file system notes beside it, such as the time of the
// write: that would be a second write.
func datasync(f *os.File) error {
	for {
		if err := syscall.Fdatasync(int(f.Fd())); !errors.Is(err, syscall.EINTR) {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}
