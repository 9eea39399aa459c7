//go:build race

package limit

// raceDetector scales tests down that would take minutes under it.
const raceDetector = true
