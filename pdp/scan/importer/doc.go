// Package importer turns the rule files of other programs into rows of the pattern table: a gitleaks TOML, a Presidio
// recogniser YAML, a detect-secrets baseline.
//
// It carries over what means the same here, and says of everything else what it was and why it stayed behind. It makes
// nothing up: a row whose source has no examples gets none, and the loader refuses it until a person has written them.
// portcullis bundle import calls it; a running server never does.
package importer
