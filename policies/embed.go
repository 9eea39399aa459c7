// Package policies is the default bundle, as it stands in this folder, inside the program.
package policies

import "embed"

// FS holds modules, tests and tables.
//
//go:embed .manifest portcullis rules lib tables
var FS embed.FS
