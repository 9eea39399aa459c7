package console

import (
	"errors"
	"net/http"
	"strings"
)

// maxCredentialBytes is as much as a header of the contract may have.
const maxCredentialBytes = 16 << 10

// signInBody is the page to sign in on.
type signInBody struct {
	Next string
	// Elsewhere: the browser came from another site and has left the cookie at home.
	Elsewhere bool
	// Certificate: the connection has a client certificate.
	Certificate bool
	Problem     string
}

func (c *Console) showSignIn(w http.ResponseWriter, r *http.Request) {
	c.signInPage(w, r, http.StatusOK, r.URL.Query().Get("next"), "")
}

func (c *Console) signInPage(w http.ResponseWriter, r *http.Request, status int, next, problem string) {
	c.write(w, r, status, "sign-in", page{Title: "Sign in", Body: signInBody{
		Next: returnTo(next), Problem: problem,
		Elsewhere:   !c.exposes(r) && r.Header.Get("Sec-Fetch-Site") == "cross-site",
		Certificate: r.TLS != nil && len(r.TLS.PeerCertificates) > 0,
	}})
}

// signIn opens a session for a credential that may look at approvals. Why another may not is for the server's log: the page
// says the same of a key that is wrong, one that was revoked, and an agent's. A session always has a secret of its own, and
// the one before ends: nobody can have planted it.
func (c *Console) signIn(w http.ResponseWriter, r *http.Request) {
	f, err := readForm(w, r)
	if err != nil {
		c.refuse(w, r, err)
		return
	}
	credential := Credential{TLS: r.TLS}
	if text := strings.TrimSpace(f["credential"]); text != "" {
		credential.Header = "Bearer " + text
	}
	if len(credential.Header) > maxCredentialBytes {
		c.refuse(w, r, &Refusal{Invalid, "FORM_TOO_LARGE", "That is too much for this form."})
		return
	}
	who, err := c.desk.Who(r.Context(), credential)
	if refusal, refused := errors.AsType[*Refusal](err); refused && (refusal.Kind == Unknown || refusal.Kind == Forbidden) {
		c.signInPage(w, r, http.StatusUnauthorized, f["next"], "You cannot sign in with that. It has to be the credential of a person who may look at approvals, and still be valid.")
		return
	}
	if err != nil {
		c.refuse(w, r, err)
		return
	}
	if old, ok := c.cookie(r); ok {
		c.sessions.end(keysOf(old))
	}
	var at place
	if c.exposes(r) {
		at = newPlace()
	}
	secret, ok := c.sessions.begin(ownerOf(who), credential.Header, at)
	if !ok {
		c.refuse(w, r, &Refusal{Unavailable, "TOO_MANY_SESSIONS", "Too many people are signed in. Try again later, or use the command line."})
		return
	}
	c.setCookie(w, r, encode(secret))
	http.Redirect(w, r, at.base()+returnTo(f["next"]), http.StatusSeeOther)
}

// signOut ends the session, whatever has become of its credential.
func (c *Console) signOut(w http.ResponseWriter, r *http.Request) {
	f, err := readForm(w, r)
	if err != nil {
		c.refuse(w, r, err)
		return
	}
	if secret, ok := c.cookie(r); ok {
		k := keysOf(secret)
		if !k.isFormToken(f["token"]) {
			c.refuse(w, r, errForm)
			return
		}
		c.sessions.end(k)
	}
	c.clearCookie(w, r)
	http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
}
