package identity

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Paths are where the development tokens lie.
type Paths struct {
	AgentToken    string
	ApproverToken string
	AdminToken    string
}

// DevPaths says where DevTokens keeps its files.
func DevPaths(dataDir, operatorDir string) Paths {
	return Paths{
		AgentToken:    filepath.Join(dataDir, "agent.token"),
		ApproverToken: filepath.Join(operatorDir, "approver.token"),
		AdminToken:    filepath.Join(operatorDir, "admin.token"),
	}
}

// tokenBytes is the randomness of a token.
const tokenBytes = 32

// DevTokens is the development mode's set of credentials: a gateway's in the data directory, where an agent may
// find it, an approver's and an admin's in the operator's directory, where it must not. Files that are missing
// are made, with mode 0600 and random tokens; others are read again. It refuses files that anybody but their
// owner can use, empty or malformed ones, symbolic links, an operator's directory that others may write, and
// directories of which one lies in the other.
func DevTokens(dataDir, operatorDir string) (*Tokens, Paths, error) {
	if err := makeDirs(dataDir, operatorDir); err != nil {
		return nil, Paths{}, err
	}
	paths := DevPaths(dataDir, operatorDir)
	var creds []Credential
	for _, c := range []struct {
		path, prefix string
		caller       Caller
	}{
		{paths.AgentToken, "pcat_", Caller{
			Subject: "dev-gateway", CredentialID: "dev-agent", Tenant: "default",
			Roles: []Role{RoleGateway, RoleAgent}, Agents: []string{AnyAgent}, ObserveAsUser: true,
		}},
		{paths.ApproverToken, "pcap_", Caller{Subject: "dev-approver", CredentialID: "dev-approver", Tenant: "default", Roles: []Role{RoleApprover}}},
		{paths.AdminToken, "pcad_", Caller{Subject: "dev-admin", CredentialID: "dev-admin", Tenant: "default", Roles: []Role{RoleAdmin}}},
	} {
		if err := createToken(c.path, c.prefix); err != nil {
			return nil, Paths{}, err
		}
		token, err := readToken(c.path, c.prefix)
		if err != nil {
			return nil, Paths{}, err
		}
		creds = append(creds, Credential{SHA256: sha256.Sum256([]byte(token)), Caller: c.caller})
	}
	tokens, err := NewTokens(creds, time.Now)
	return tokens, paths, err
}

func makeDirs(dataDir, operatorDir string) error {
	if dataDir == "" || operatorDir == "" {
		return errors.New("identity: data directory and operator's directory are both needed")
	}
	if err := checkApart(dataDir, operatorDir); err != nil {
		return err
	}
	for _, dir := range []string{dataDir, operatorDir} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("identity: %w", err)
		}
	}
	// Again, now that both are there: a file system may hold two spellings to be one.
	if err := checkApart(dataDir, operatorDir); err != nil {
		return err
	}
	info, err := os.Stat(operatorDir)
	if err != nil {
		return fmt.Errorf("identity: %w", err)
	}
	if info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("identity: operator's directory %s can be written by others than its owner: chmod go-w it", operatorDir)
	}
	return nil
}

// checkApart refuses directories of which one holds the other: what can read the one must not reach the other.
// Directories are compared by identity, which sees through links and spelling; where one does not exist yet,
// its parents are what it will lie in.
func checkApart(dataDir, operatorDir string) error {
	for _, c := range [][2]string{{dataDir, operatorDir}, {operatorDir, dataDir}} {
		inside, err := within(c[0], c[1])
		if err != nil {
			return fmt.Errorf("identity: %w", err)
		}
		if inside {
			return fmt.Errorf("identity: data directory %s and operator's directory %s must lie apart: an agent that reads the one could approve itself", dataDir, operatorDir)
		}
	}
	return nil
}

func within(outer, inner string) (bool, error) {
	outer, err := resolve(outer)
	if err != nil {
		return false, err
	}
	inner, err = resolve(inner)
	if err != nil {
		return false, err
	}
	outerInfo, outerErr := os.Stat(outer)
	for dir := inner; ; dir = filepath.Dir(dir) {
		if dir == outer {
			return true, nil
		}
		if info, err := os.Stat(dir); err == nil && outerErr == nil && os.SameFile(info, outerInfo) {
			return true, nil
		}
		if dir == filepath.Dir(dir) {
			return false, nil
		}
	}
}

// resolve makes a path absolute and follows the links of as much of it as exists.
func resolve(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	rest := ""
	for dir := path; ; dir = filepath.Dir(dir) {
		real, err := filepath.EvalSymlinks(dir)
		if err == nil {
			return filepath.Join(real, rest), nil
		}
		if !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			return "", err
		}
		if _, err := os.Lstat(dir); err == nil {
			return "", fmt.Errorf("%s is a link to nowhere", dir)
		}
		rest = filepath.Join(filepath.Base(dir), rest)
	}
}

// createToken writes a new token where no file of any kind is.
func createToken(path, prefix string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("identity: create token: %w", err)
	}
	raw := make([]byte, tokenBytes)
	rand.Read(raw) // never fails, as of Go 1.24
	_, err = f.WriteString(prefix + base64.RawURLEncoding.EncodeToString(raw) + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(fmt.Errorf("identity: create token: %w", err), os.Remove(path))
	}
	return nil
}

func readToken(path, prefix string) (string, error) {
	named, err := os.Lstat(path)
	if err != nil {
		return "", fmt.Errorf("identity: token: %w", err)
	}
	if !named.Mode().IsRegular() {
		return "", fmt.Errorf("identity: %s is not a regular file: remove it, and a new one is made", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("identity: token: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return "", fmt.Errorf("identity: token: %w", err)
	case !os.SameFile(named, info):
		return "", fmt.Errorf("identity: %s was exchanged while it was opened", path)
	case info.Mode().Perm()&0o077 != 0:
		return "", fmt.Errorf("identity: %s can be used by others than its owner: remove it, and a new one is made", path)
	}
	raw, err := io.ReadAll(io.LimitReader(f, 1<<10))
	if err != nil {
		return "", fmt.Errorf("identity: token: %w", err)
	}
	token := strings.TrimRight(string(raw), "\r\n")
	random, err := base64.RawURLEncoding.Strict().DecodeString(strings.TrimPrefix(token, prefix))
	// The length is checked too because the decoder skips line breaks.
	if !strings.HasPrefix(token, prefix) || err != nil || len(random) != tokenBytes || len(token) != len(prefix)+base64.RawURLEncoding.EncodedLen(tokenBytes) {
		return "", fmt.Errorf("identity: %s holds no token of the form %s…: remove it, and a new one is made", path, prefix)
	}
	return token, nil
}
