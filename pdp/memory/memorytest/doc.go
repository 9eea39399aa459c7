// Package memorytest is what every store of memory records must do, as tests, and a store in memory. Only tests import it.
package memorytest
