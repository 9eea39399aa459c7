package server

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"connectrpc.com/vanguard"
	"golang.org/x/sync/semaphore"
	"google.golang.org/grpc"
)

// rpcPrefix is where Connect, gRPC-Web and plain JSON calls go.
const rpcPrefix = "/portcullis.v1."

// envelopeBytes is the head of a message in gRPC-Web and Connect streams: flags and length.
const envelopeBytes = 5

// transcoder lets Connect, gRPC-Web and plain JSON reach the services of inner. It is all that knows vanguard.
//
// Whatever could go wrong while vanguard reads a request is settled before it sees it (the body is whole, bounded
// and not compressed) or after it (text that is not the message's JSON is marked, see codec.go): each call has
// one request message, so nothing is lost, and every error takes the same way as a gRPC call's.
type transcoder struct {
	next     http.Handler
	max      int64
	buffered *semaphore.Weighted // bytes of bodies that are held at once
	read     time.Duration
	write    time.Duration
	refused  func(reason string)
}

func newTranscoder(inner *grpc.Server, cfg Config, refused func(string)) (*transcoder, error) {
	var services []*vanguard.Service
	for _, name := range serviceNames[1:] {
		services = append(services, vanguard.NewService(name, inner,
			vanguard.WithTargetProtocols(vanguard.ProtocolGRPC),
			vanguard.WithTargetCodecs(vanguard.CodecProto),
			vanguard.WithNoTargetCompression(),
			vanguard.WithMaxMessageBufferBytes(uint32(min(int64(cfg.MaxMessageBytes)*2, 1<<30))),
		))
	}
	next, err := vanguard.NewTranscoder(services, vanguard.WithCodec(func(vanguard.TypeResolver) vanguard.Codec { return newJSONCodec() }))
	if err != nil {
		return nil, fmt.Errorf("serve Connect and JSON: %w", err)
	}
	return &transcoder{
		next: next, max: int64(cfg.MaxMessageBytes) + envelopeBytes, buffered: semaphore.NewWeighted(cfg.MaxBufferedBytes + envelopeBytes),
		read: cfg.ReadTimeout, write: cfg.WriteTimeout, refused: refused,
	}, nil
}

func (t *transcoder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		refuse(w, http.StatusMethodNotAllowed, "unimplemented", "use POST")
		return
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	unary := kind == "application/json" || kind == "application/proto"
	enveloped := strings.HasPrefix(kind, "application/connect+") || kind == "application/grpc-web" || strings.HasPrefix(kind, "application/grpc-web+")
	if err != nil || !unary && !enveloped {
		refuse(w, http.StatusUnsupportedMediaType, "invalid_argument",
			"content-type is application/json, or application/proto, or one of Connect or gRPC-Web")
		return
	}
	for _, h := range []string{"Content-Encoding", "Connect-Content-Encoding", "Grpc-Encoding"} {
		if e := r.Header.Get(h); e != "" && e != "identity" {
			refuse(w, http.StatusUnsupportedMediaType, "unimplemented", "requests are not compressed here")
			return
		}
	}
	if unary { // so that a plain curl works
		r.Header.Set("Connect-Protocol-Version", "1")
		r.Header.Set("Content-Type", kind)
	}
	body, release, ok := t.body(w, r, enveloped)
	if !ok {
		return
	}
	defer release()
	if kind == "application/json" && len(bytes.TrimSpace(body)) == 0 {
		body = []byte("{}") // vanguard would take it for no message at all
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	t.next.ServeHTTP(&paced{ResponseWriter: w, control: http.NewResponseController(w), timeout: t.write}, r)
}

// body reads the whole of a request, within the bounds for one and for all.
func (t *transcoder) body(w http.ResponseWriter, r *http.Request, enveloped bool) (body []byte, release func(), ok bool) {
	size := r.ContentLength
	if size < 0 {
		size = t.max
	}
	if size > t.max {
		refuse(w, http.StatusRequestEntityTooLarge, "resource_exhausted", fmt.Sprintf("a message is at most %d bytes", t.max-envelopeBytes))
		return nil, nil, false
	}
	if !t.buffered.TryAcquire(size) {
		t.refused("http_bodies")
		w.Header().Set("Retry-After", "1")
		refuse(w, http.StatusTooManyRequests, "resource_exhausted", "too many large requests at once")
		return nil, nil, false
	}
	release = func() { t.buffered.Release(size) }
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(t.read))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, t.max))
	_ = control.SetReadDeadline(time.Time{}) // the answer may be a long stream
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		refuse(w, http.StatusRequestEntityTooLarge, "resource_exhausted", fmt.Sprintf("a message is at most %d bytes", t.max-envelopeBytes))
	case err != nil:
		refuse(w, http.StatusBadRequest, "invalid_argument", "the request's body could not be read to its end")
	case enveloped && !wholeEnvelope(body):
		refuse(w, http.StatusBadRequest, "invalid_argument", "the body is one message, whole and not compressed")
	default:
		return body, release, true
	}
	release()
	return nil, nil, false
}

// wholeEnvelope is true of exactly one message without flags.
func wholeEnvelope(body []byte) bool {
	return len(body) >= envelopeBytes && body[0] == 0 && uint64(binary.BigEndian.Uint32(body[1:])) == uint64(len(body)-envelopeBytes)
}

// refuse answers as Connect does.
func refuse(w http.ResponseWriter, httpStatus int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(httpStatus)
	text, _ := json.Marshal(map[string]string{"code": code, "message": message})
	_, _ = w.Write(append(text, '\n'))
}

// paced gives each write of an answer a deadline of its own, so that a stream may be long but a reader that stopped
// reading is let go.
type paced struct {
	http.ResponseWriter
	control *http.ResponseController
	timeout time.Duration
}

func (p *paced) Write(b []byte) (int, error) {
	_ = p.control.SetWriteDeadline(time.Now().Add(p.timeout))
	return p.ResponseWriter.Write(b)
}

func (p *paced) Flush() {
	_ = p.control.SetWriteDeadline(time.Now().Add(p.timeout))
	_ = p.control.Flush()
}

func (p *paced) Unwrap() http.ResponseWriter { return p.ResponseWriter }
