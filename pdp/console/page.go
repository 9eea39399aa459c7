package console

import (
	"bytes"
	"embed"
	"errors"
	"html/template"
	"io/fs"
	"net/http"
	"strconv"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/identity"
)

//go:embed pages
var files embed.FS

// Each page has the layout around it. html/template escapes what is put in, by where it stands.
var pages = map[string]*template.Template{
	"sign-in": parsePage("sign-in"), "list": parsePage("list"), "ask": parsePage("ask", "record"), "outcome": parsePage("outcome", "record"), "refused": parsePage("refused"),
}

func parsePage(names ...string) *template.Template {
	patterns := []string{"pages/layout.html"}
	for _, name := range names {
		patterns = append(patterns, "pages/"+name+".html")
	}
	return template.Must(template.New("layout.html").Option("missingkey=error").ParseFS(files, patterns...))
}

func serveStyle(w http.ResponseWriter, r *http.Request) {
	style, err := fs.ReadFile(files, "pages/style.css")
	if err != nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	_, _ = w.Write(style)
}

// page is what the layout needs, with the page's own part in Body.
type page struct {
	Title string // never holds anything that an agent wrote
	// Who is signed in; empty: nobody.
	Who, Roles, Tenant string
	// Base is what the paths of this session begin with.
	Base string
	// Token is in each form.
	Token string
	// Refresh is where the page goes by itself after RefreshSeconds; empty: nowhere.
	Refresh        string
	RefreshSeconds int
	Body           any
}

// refreshEvery is how often the list shows itself anew.
const refreshEvery = 20 * time.Second

func (v *visit) page(title string, body any) page {
	out := page{Title: title, Who: readable(v.who.Subject), Tenant: readable(v.who.Tenant), Base: v.base, Token: v.keys.formToken(), Body: body}
	for _, role := range v.who.Roles {
		if out.Roles != "" {
			out.Roles += ", "
		}
		out.Roles += string(role)
	}
	return out
}

// mayVote says whether to show the forms of a reviewer. Whether a verdict is taken is the desk's to say.
func (v *visit) mayVote() bool { return v.who.Has(identity.RoleApprover) }

func (v *visit) mayWithdraw() bool {
	return identity.Allowed(v.who, identity.RoleApprover, identity.RoleAdmin)
}

// write answers with a page that is whole, or says that it could not be made.
func (c *Console) write(w http.ResponseWriter, r *http.Request, status int, name string, p page) {
	var b bytes.Buffer
	if err := pages[name].Execute(&b, p); err != nil {
		c.cfg.Log.ErrorContext(r.Context(), "a page of the console could not be made", "page", name, "error", err.Error())
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

// statusOf is the HTTP status of a refusal.
var statusOf = map[Kind]int{
	Failed: http.StatusInternalServerError, Unknown: http.StatusUnauthorized, Forbidden: http.StatusForbidden, Missing: http.StatusNotFound,
	Invalid: http.StatusBadRequest, Stale: http.StatusConflict, Unavailable: http.StatusServiceUnavailable,
}

// refusedBody is a page that says what was not done, and where to go on.
type refusedBody struct{ Reason, Message, Back string }

// refuse says that something was not done.
func (c *Console) refuse(w http.ResponseWriter, r *http.Request, err error) {
	refusal, ok := errors.AsType[*Refusal](err)
	if !ok {
		refusal = &Refusal{Failed, "INTERNAL", "Something went wrong; the server's log has the cause."}
		c.cfg.Log.ErrorContext(r.Context(), "the console failed", "error", err)
	}
	if refusal.Kind == Unavailable {
		w.Header().Set("Retry-After", "1")
	}
	body := refusedBody{Reason: readable(refusal.Reason), Message: readable(refusal.Message), Back: baseOf(r) + Home}
	if id := r.PathValue("id"); isID(id) && refusal.Kind != Missing {
		body.Back = baseOf(r) + Home + "/" + id
	}
	c.write(w, r, statusOf[refusal.Kind], "refused", page{Title: "Not done", Body: body})
}
