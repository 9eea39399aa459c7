package action

import (
	"slices"
	"strings"
)

// The classes of a path, the most telling first: a path that is several of them is the first.
const (
	ClassProtected   = "protected"    // in a directory that the operator denies
	ClassSecret      = "secret"       // keys and passwords
	ClassAgentConfig = "agent_config" // what tells an agent or its hooks what to do
	ClassMemory      = "memory"       // an agent's memory that is kept as a file
	ClassSystem      = "system"       // the operating system's own, and what is run at a start
	ClassPlain       = "plain"
)

// FlagAboveProtected marks a path whose directory holds a denied one.
const FlagAboveProtected = "above_protected"

// A name in these tables is a segment of a folded path, so all are in lower case.
var (
	secretDirs  = []string{".ssh", ".gnupg", ".aws", ".azure", ".password-store", ".vault-token", "gcloud", "keychains", ".kube", ".electrum", ".bitcoin"}
	secretFiles = []string{
		".netrc", "_netrc", ".npmrc", ".pypirc", ".git-credentials", ".pgpass", ".my.cnf", ".htpasswd", ".dockercfg", ".boto",
		".s3cfg", ".env", ".envrc", "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "id_ed25519_sk", "credentials", "credentials.json",
		"client_secret.json", "service-account.json", "service_account.json", "secrets.json", "secrets.yaml",
		"secrets.yml", "secrets.toml", "terraform.tfstate", ".terraformrc",
		"wallet.dat", "login data", "key4.db", "logins.json", "master.key", "accesstokens.json", ".bash_history", ".zsh_history", "authorized_keys",
	}
	secretSuffixes = []string{".pem", ".key", ".p12", ".pfx", ".jks", ".keystore", ".kdbx", ".ppk", ".token", ".asc", ".gpg", ".ovpn", ".tfvars"}
	// What looks like a secret by its name and is made to be read.
	openFiles = []string{".env.example", ".env.sample", ".env.template", ".env.dist"}

	agentDirs = []string{
		".cursor", ".claude", ".codex", ".gemini", ".windsurf", ".continue", ".aider", ".roo", ".cline", ".kiro", ".openclaw",
		".vscode", ".idea", ".husky", ".githooks", ".mcp", ".agents", ".agent", ".junie", ".amazonq", ".opencode", ".goose",
	}
	agentFiles = []string{
		"mcp.json", ".mcp.json", "mcp_config.json", "claude.md", "claude.local.md", "agents.md", "agent.md", "gemini.md", ".claude.json",
		".cursorrules", ".windsurfrules", ".clinerules", ".roorules", ".goosehints", ".aider.conf.yml", "claude_desktop_config.json",
		"copilot-instructions.md", "skill.md", "soul.md", "hooks.json", "hooks.toml", ".pre-commit-config.yaml", "cline_mcp_settings.json",
	}
	gitHooks = []string{
		"pre-commit", "prepare-commit-msg", "commit-msg", "post-commit", "pre-rebase", "post-rewrite", "post-checkout",
		"post-merge", "pre-push", "pre-receive", "update", "post-receive", "post-update", "applypatch-msg", "pre-applypatch", "post-applypatch", "fsmonitor-watchman",
	}

	systemDirs = []string{
		"etc", "usr", "bin", "sbin", "lib", "lib32", "lib64", "boot", "dev", "proc", "sys", "var", "opt", "run", "system", "library",
		"windows", "program files", "program files (x86)", "programdata", "applications",
	}
	startFiles = []string{
		".bashrc", ".bash_profile", ".bash_login", ".bash_logout", ".profile", ".zshrc", ".zshenv", ".zprofile", ".zlogin", ".kshrc",
		".cshrc", ".tcshrc", ".xinitrc", ".xprofile", ".inputrc", ".vimrc", ".gitconfig", "crontab", ".ld.so.preload", "authorized_keys2",
	}
	// Under systemDirs, yet anybody's.
	openSystem = [][]string{{"dev", "null"}, {"dev", "stdin"}, {"dev", "stdout"}, {"dev", "stderr"}, {"dev", "shm"}, {"var", "tmp"}, {"var", "folders"}}
)

// classOfPath knows nothing of denied directories.
func classOfPath(l location) string {
	if len(l.segments) == 0 {
		return ClassPlain
	}
	switch {
	case isSecretPath(l):
		return ClassSecret
	case isAgentConfig(l):
		return ClassAgentConfig
	case isMemoryFile(l):
		return ClassMemory
	case isSystemPath(l):
		return ClassSystem
	}
	return ClassPlain
}

func isSecretPath(l location) bool {
	base := l.segments[len(l.segments)-1]
	if slices.Contains(openFiles, base) || strings.HasSuffix(base, ".pub") {
		return false
	}
	if containsAny(l.segments, secretDirs) || matchesAny(base, secretFiles) || hasAnySuffix(base, secretSuffixes) || strings.HasPrefix(base, ".env.") {
		return true
	}
	// ~/.docker/config.json, ~/.config/gh/hosts.yml, /proc/1/environ
	if len(l.segments) >= 2 {
		switch parent := l.segments[len(l.segments)-2]; {
		case parent == ".docker" && base == "config.json", parent == "gh" && base == "hosts.yml":
			return true
		case segmentMatches(parent, "etc") && matchesAny(base, []string{"shadow", "shadow-", "gshadow", "gshadow-", "sudoers", "master.passwd"}):
			return true
		case l.root == "/" && l.segments[0] == "proc" && (base == "environ" || base == "cmdline" || base == "mem"):
			return true
		}
	}
	return false
}

func isAgentConfig(l location) bool {
	base := l.segments[len(l.segments)-1]
	if matchesAny(base, agentFiles) || containsAny(l.segments, agentDirs) {
		return true
	}
	for i, segment := range l.segments {
		switch {
		case segment == "hooks" && i > 0 && l.segments[i-1][0] == '.', // .git/hooks
			segment == "hooks" && i == len(l.segments)-2 && slices.Contains(gitHooks, base),
			segment == ".git" && base == "config",
			// .github/instructions, .github/workflows run or steer as well
			segment == ".github" && i+1 < len(l.segments) && slices.Contains([]string{"instructions", "prompts", "workflows", "agents"}, l.segments[i+1]):
			return true
		}
	}
	return false
}

func isMemoryFile(l location) bool {
	base := l.segments[len(l.segments)-1]
	if matchesAny(base, []string{"memory.md", "memories.md"}) {
		return true
	}
	dirs := l.segments[:len(l.segments)-1]
	return strings.HasSuffix(base, ".md") && containsAny(dirs, []string{"memory", "memories", ".memory", "memory-bank"})
}

func isSystemPath(l location) bool {
	if matchesAny(l.segments[len(l.segments)-1], startFiles) {
		return true
	}
	if l.root == "~" {
		return hasPrefix(l.segments, []string{".config", "systemd"}) || hasPrefix(l.segments, []string{".config", "autostart"}) ||
			hasPrefix(l.segments, []string{"library", "launchagents"})
	}
	segments := l.segments
	if l.root == "" {
		return false
	}
	for _, open := range openSystem {
		if hasPrefix(segments, open) {
			return false
		}
	}
	return matchesAny(segments[0], systemDirs)
}

func containsAny(segments, names []string) bool {
	return slices.ContainsFunc(segments, func(s string) bool { return matchesAny(s, names) })
}

// matchesAny looks a segment up; one with wildcards is tried against every name.
func matchesAny(segment string, names []string) bool {
	if !strings.ContainsAny(segment, "*?[") {
		return slices.Contains(names, segment)
	}
	return slices.ContainsFunc(names, func(name string) bool { return segmentMatches(segment, name) })
}
