//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package decisionlog

import (
	"errors"
	"os"
	"syscall"
)

// lockFile takes the advisory lock that keeps a second writer out; the kernel lets go of it when a process dies.
func lockFile(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return errors.New("another process writes this log")
	}
	return err
}
