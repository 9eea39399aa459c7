package identity

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func devDirs(t *testing.T) (data, operator string) {
	t.Helper()
	root := t.TempDir()
	return filepath.Join(root, "data"), filepath.Join(root, "op", "portcullis")
}

func mustDev(t *testing.T, data, operator string) (*Tokens, Paths) {
	t.Helper()
	tokens, paths, err := DevTokens(data, operator)
	if err != nil {
		t.Fatal(err)
	}
	return tokens, paths
}

func read(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(string(raw), "\n")
}

func TestDevTokens(t *testing.T) {
	data, operator := devDirs(t)
	tokens, paths := mustDev(t, data, operator)
	if paths != (Paths{data + "/agent.token", operator + "/approver.token", operator + "/admin.token"}) || paths != DevPaths(data, operator) {
		t.Errorf("paths are %+v", paths)
	}
	for _, c := range []struct {
		path, form, subject string
		roles               []Role
		agents              []string
	}{
		{paths.AgentToken, `^pcat_[A-Za-z0-9_-]{43}$`, "dev-gateway", []Role{RoleGateway, RoleAgent}, []string{"*"}},
		{paths.ApproverToken, `^pcap_[A-Za-z0-9_-]{43}$`, "dev-approver", []Role{RoleApprover}, nil},
		{paths.AdminToken, `^pcad_[A-Za-z0-9_-]{43}$`, "dev-admin", []Role{RoleAdmin}, nil},
	} {
		token := read(t, c.path)
		if !regexp.MustCompile(c.form).MatchString(token) {
			t.Errorf("%s is not of the form %s", c.path, c.form)
		}
		who, err := tokens.Authenticate(t.Context(), "Bearer "+token)
		if err != nil || who.Subject != c.subject || !slices.Equal(who.Roles, c.roles) || !slices.Equal(who.Agents, c.agents) || who.Tenant != "default" {
			t.Errorf("%s stands for %+v, %v", c.path, who, err)
		}
		if who.ObserveAsUser != (c.subject == "dev-gateway") {
			t.Errorf("%s observes as the user: %v", c.subject, who.ObserveAsUser)
		}
		if strings.Contains(who.CredentialID, token[5:]) {
			t.Error("the credential's id holds the token")
		}
		info, _ := os.Stat(c.path)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o", c.path, info.Mode().Perm())
		}
	}
	if info, _ := os.Stat(operator); info.Mode().Perm() != 0o700 {
		t.Errorf("operator's directory has mode %o", info.Mode().Perm())
	}
}

func TestDevTokensAreReadAgain(t *testing.T) {
	data, operator := devDirs(t)
	_, paths := mustDev(t, data, operator)
	agent, admin := read(t, paths.AgentToken), read(t, paths.AdminToken)
	if err := os.Remove(paths.AdminToken); err != nil {
		t.Fatal(err)
	}
	tokens, _ := mustDev(t, data, operator)
	if read(t, paths.AgentToken) != agent {
		t.Error("the agent's token was made anew")
	}
	if _, err := tokens.Authenticate(t.Context(), "Bearer "+agent); err != nil {
		t.Error(err)
	}
	if _, err := tokens.Authenticate(t.Context(), "Bearer "+admin); err == nil {
		t.Error("a removed token still works")
	}
	if read(t, paths.AdminToken) == admin {
		t.Error("the removed token came back")
	}
}

func TestDevTokensRefusesBadFiles(t *testing.T) {
	good := "pcap_" + strings.Repeat("A", 43)
	for name, spoil := range map[string]func(path string) error{
		"empty":           func(p string) error { return os.WriteFile(p, nil, 0o600) },
		"newline":         func(p string) error { return os.WriteFile(p, []byte("\n"), 0o600) },
		"no prefix":       func(p string) error { return os.WriteFile(p, []byte(good[5:]), 0o600) },
		"agent's prefix":  func(p string) error { return os.WriteFile(p, []byte("pcat_"+good[5:]), 0o600) },
		"too short":       func(p string) error { return os.WriteFile(p, []byte(good[:40]), 0o600) },
		"too long":        func(p string) error { return os.WriteFile(p, []byte(good+"AAAA"), 0o600) },
		"endless":         func(p string) error { return os.WriteFile(p, []byte(good+strings.Repeat("A", 1<<20)), 0o600) },
		"two lines":       func(p string) error { return os.WriteFile(p, []byte(good+"\n"+good), 0o600) },
		"broken line":     func(p string) error { return os.WriteFile(p, []byte(good[:20]+"\n"+good[20:]), 0o600) },
		"leading blank":   func(p string) error { return os.WriteFile(p, []byte(" "+good), 0o600) },
		"group-readable":  func(p string) error { return os.Chmod(p, 0o640) },
		"world-readable":  func(p string) error { return os.Chmod(p, 0o604) },
		"group-writable":  func(p string) error { return os.Chmod(p, 0o620) },
		"directory":       func(p string) error { return replace(p, func() error { return os.Mkdir(p, 0o700) }) },
		"link to nowhere": func(p string) error { return replace(p, func() error { return os.Symlink(p+".none", p) }) },
		"link to a token": func(p string) error {
			if err := os.Rename(p, p+".real"); err != nil {
				return err
			}
			return os.Symlink(p+".real", p)
		},
	} {
		t.Run(name, func(t *testing.T) {
			data, operator := devDirs(t)
			_, paths := mustDev(t, data, operator)
			if err := spoil(paths.ApproverToken); err != nil {
				t.Fatal(err)
			}
			_, _, err := DevTokens(data, operator)
			if err == nil {
				t.Fatal("it was accepted")
			}
			if special := name == "directory" || strings.HasPrefix(name, "link"); special != strings.Contains(err.Error(), "not a regular file") {
				t.Errorf("error is %v", err)
			}
			if strings.Contains(err.Error(), good[5:]) {
				t.Errorf("the error holds the token: %v", err)
			}
			if _, err := os.Lstat(paths.ApproverToken + ".none"); err == nil {
				t.Error("a file was made through the link")
			}
		})
	}
}

func replace(path string, with func() error) error {
	if err := os.Remove(path); err != nil {
		return err
	}
	return with()
}

// What an agent can read must not let it approve itself.
func TestThreat_B12_TokenDirectoriesLieApart(t *testing.T) {
	for name, c := range map[string]struct {
		data, operator string
		link           [2]string // name and target, made before
	}{
		"the same":                   {"a", "a", [2]string{}},
		"the same, spelt otherwise":  {"a", "b/../a/.", [2]string{}},
		"operator inside":            {"a", "a/op", [2]string{}},
		"operator deep inside":       {"a", "a/x/y/op", [2]string{}},
		"data inside":                {"op/data", "op", [2]string{}},
		"operator by a link":         {"a", "link/op", [2]string{"link", "a"}},
		"operator by a link inwards": {"a", "link/op", [2]string{"link", "a/sub"}},
		"data by a link":             {"link", "b/op", [2]string{"link", "b"}},
		"link to nowhere":            {"a", "link/op", [2]string{"link", "none"}},
		"no data directory":          {"", "b", [2]string{}},
		"no operator's directory":    {"a", "", [2]string{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			if c.link[0] != "" {
				if c.link[1] != "none" {
					if err := os.MkdirAll(c.link[1], 0o700); err != nil {
						t.Fatal(err)
					}
				}
				if err := os.Symlink(c.link[1], c.link[0]); err != nil {
					t.Fatal(err)
				}
			}
			if _, _, err := DevTokens(c.data, c.operator); err == nil {
				t.Fatal("it was accepted")
			}
			var made []string
			_ = filepath.WalkDir(".", func(path string, _ os.DirEntry, err error) error {
				if strings.HasSuffix(path, ".token") {
					made = append(made, path)
				}
				return err
			})
			if len(made) > 0 {
				t.Errorf("tokens were made: %v", made)
			}
		})
	}
}

func TestDevTokensSiblingsWithACommonPrefix(t *testing.T) {
	root := t.TempDir()
	mustDev(t, root+"/a", root+"/a-operator")
}

func TestDevTokensRefusesAnOperatorDirOthersMayWrite(t *testing.T) {
	data, operator := devDirs(t)
	mustDev(t, data, operator)
	for _, mode := range []os.FileMode{0o720, 0o702} {
		if err := os.Chmod(operator, mode); err != nil {
			t.Fatal(err)
		}
		if _, _, err := DevTokens(data, operator); err == nil {
			t.Errorf("mode %o was accepted", mode)
		}
	}
}
