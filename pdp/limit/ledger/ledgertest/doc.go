// Package ledgertest is what every ledger has to pass: the contract of pdp/limit/ledger, sentence by sentence, and random
// batches whose receipts must be those of a plain model. Only tests import it.
package ledgertest
