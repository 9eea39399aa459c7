package notify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The headers of a delivery, as standardwebhooks.com has them, and which keys signed, in the order of the signatures.
const (
	headerID        = "webhook-id"
	headerTimestamp = "webhook-timestamp"
	headerSignature = "webhook-signature"
	headerKeys      = "portcullis-key-ids"
)

// sign adds the signature of each key over `id.timestamp.body`. Time is part of it, so that what was recorded can't be
// sent again for long, and the id, by which a receiver knows what it has seen.
func sign(to http.Header, id string, at time.Time, body []byte, keys []secret) {
	stamp := strconv.FormatInt(at.Unix(), 10)
	to.Set(headerID, id)
	to.Set(headerTimestamp, stamp)
	if len(keys) == 0 {
		return
	}
	var ids, signatures []string
	for _, k := range keys {
		mac := hmac.New(sha256.New, k.key)
		mac.Write([]byte(id + "." + stamp + "."))
		mac.Write(body)
		ids = append(ids, k.id)
		signatures = append(signatures, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	to.Set(headerSignature, strings.Join(signatures, " "))
	to.Set(headerKeys, strings.Join(ids, " "))
}
