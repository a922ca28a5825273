package program

import "strings"

// personal are interpreters, and programs that run commands which their
// configuration names, by their names without a version: what the user who runs them
// has in the home directory, or in the environment, can become part of what runs.
// It is what is known, not all there is.
var personal = map[string]bool{
	// User site-packages, gems, packages, modules, class paths, profiles.
	"python": true, "pypy": true, "platform-python": true, "ipython": true, "jython": true, "perl": true, "ruby": true, "jruby": true, "irb": true,
	"node": true, "nodejs": true, "deno": true, "bun": true, "php": true, "lua": true, "luajit": true, "R": true, "Rscript": true, "julia": true,
	"java": true, "groovy": true, "scala": true, "kotlin": true, "clojure": true, "jshell": true, "jjs": true,
	"tclsh": true, "wish": true, "expect": true, "guile": true, "octave": true, "octave-cli": true, "sbcl": true, "ecl": true, "clisp": true, "racket": true, "ghci": true, "runghc": true,
	"erl": true, "escript": true, "elixir": true, "iex": true, "mono": true, "dotnet": true, "pwsh": true, "gawk": true, "gjs": true, "osascript": true,

	// Startup files of shells.
	"sh": true, "bash": true, "rbash": true, "dash": true, "ash": true, "busybox": true, "toybox": true, "ksh": true, "ksh93": true, "mksh": true, "lksh": true, "zsh": true,
	"csh": true, "tcsh": true, "fish": true, "yash": true, "rc": true, "es": true, "elvish": true, "nu": true, "xonsh": true,

	// Configuration that names commands.
	"vi": true, "vim": true, "vim.basic": true, "vim.tiny": true, "nvim": true, "emacs": true, "gdb": true, "lldb": true, "git": true, "hg": true, "svn": true,
	"ssh": true, "scp": true, "sftp": true, "less": true, "man": true, "mutt": true, "screen": true, "tmux": true, "psql": true, "mysql": true, "make": true, "ansible": true,
}

// interpreterName is what a program of this path is known as: "python" for
// /usr/bin/python3.11.
func interpreterName(path string) string {
	name := path[strings.LastIndexByte(path, '/')+1:]
	if i := strings.IndexAny(name, "0123456789"); i > 0 && strings.Trim(name[i:], "0123456789.-abcdgmtu") == "" && !personal[name] {
		name = strings.TrimRight(name[:i], "-.")
	}
	return name
}

// knownAs returns the name that a program is known as: that of the path it is called
// by, which is what counts for busybox, or that of the file (real) it leads to.
func knownAs(path, real string) (name string, known bool) {
	for _, p := range []string{path, real} {
		if name = interpreterName(p); personal[name] || name == "env" {
			return name, personal[name]
		}
	}
	return "", false
}

// impersonal tells whether an interpreter that a script names, with the words between
// its path and the script's, reads nothing of the user's before it reads the script.
func impersonal(name string, words []string) bool {
	switch name {
	case "sh", "bash", "dash", "ash", "ksh", "ksh93", "mksh":
		// A shell that is neither interactive nor a login shell reads the file that
		// BASH_ENV names, or none.
		for _, w := range words {
			if !options(w, "abefhkmnptuvxBCEHPT") {
				return false
			}
		}
		return true
	case "python", "pypy", "platform-python":
		// -I and -s keep the user's site-packages out (and with them usercustomize).
		alone := false
		for _, w := range words {
			if !options(w, "bBdEIOPqsSuvx") {
				return false
			}
			alone = alone || strings.ContainsAny(w, "Is")
		}
		return alone
	case "zsh", "csh", "tcsh":
		return len(words) == 1 && words[0] == "-f" // no startup files but the system's
	}
	return false
}

// options tells whether a word is a dash with letters of these.
func options(word, letters string) bool {
	return len(word) > 1 && word[0] == '-' && strings.Trim(word[1:], letters) == ""
}
