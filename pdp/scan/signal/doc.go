// Package signal scores how much a text reads like an attempt to instruct a model: a logistic regression over hashed word
// and character n-grams, trained by `make train` on public corpora and embedded as a file.
//
// It is a statistic, not a rule: its score comes with the rate of benign texts that reach it, it knows no reason, and
// nothing may be denied for it alone. It never keeps a text. It stands outside the Rego reference. Package scan calls it.
package signal
