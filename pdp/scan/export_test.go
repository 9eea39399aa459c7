package scan

// HostileTexts is for the benchmarks, which see the package from outside because they load the shipped patterns.
var HostileTexts = hostileTexts
