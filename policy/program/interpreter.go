package program

import (
	"slices"
	"strings"
)

// personal are interpreters, and programs that run commands which their
// configuration names, by their names without a version: what the user who runs them
// has in the home directory, or in the environment, can become part of what runs.
// It is what is known, not all there is.
var personal = [...]string{
	// User site-packages, gems, packages, modules, class paths, profiles.
	"python", "pypy", "platform-python", "ipython", "jython", "perl", "ruby", "jruby", "irb",
	"node", "nodejs", "deno", "bun", "php", "lua", "luajit", "R", "Rscript", "julia",
	"java", "groovy", "scala", "kotlin", "clojure", "jshell", "jjs",
	"tclsh", "wish", "expect", "guile", "octave", "octave-cli", "sbcl", "ecl", "clisp", "racket", "ghci", "runghc",
	"erl", "escript", "elixir", "iex", "mono", "dotnet", "pwsh", "gawk", "gjs", "osascript",

	// Startup files of shells.
	"sh", "bash", "rbash", "dash", "ash", "busybox", "toybox", "ksh", "ksh93", "mksh", "lksh", "zsh",
	"bash-static", "zsh-static", "busybox-static",
	"csh", "tcsh", "fish", "yash", "rc", "es", "elvish", "nu", "xonsh",

	// Configuration that names commands.
	"vi", "vim", "vim.basic", "vim.tiny", "nvim", "emacs", "gdb", "lldb", "git", "hg", "svn",
	"vim.nox", "vim.gtk", "vim.gtk3", "vim.motif", "emacs-nox", "emacs-gtk", "emacs-lucid", "emacs-pgtk", "nano",
	"wget", "curl", "lftp", "aria2c", "fetchmail", "gpg", "sqlite", "gnuplot", "docker", "podman", "kubectl",
	"ssh", "scp", "sftp", "less", "man", "mutt", "screen", "tmux", "psql", "mysql", "make", "ansible",
}

func isPersonal(name string) bool { return slices.Contains(personal[:], name) }

// embedded returns the first of the libraries that is an interpreter: a program that
// needs it is one too, whatever it is called.
func embedded(needed []string) string {
	for _, library := range needed {
		for _, name := range []string{"libpython", "libpypy", "libperl.", "libruby", "liblua", "libjvm.", "libnode.", "libphp", "libR.", "libguile", "libtcl", "libjulia", "libmono"} {
			if strings.HasPrefix(library, name) {
				return library
			}
		}
	}
	return ""
}

// interpreterName is what a program of this path is known as: "python" for
// /usr/bin/python3.11.
func interpreterName(path string) string {
	name := path[strings.LastIndexByte(path, '/')+1:]
	if i := strings.IndexAny(name, "0123456789"); i > 0 && strings.Trim(name[i:], "0123456789.-abcdgmtu") == "" && !isPersonal(name) {
		name = strings.TrimRight(name[:i], "-.")
	}
	return name
}

// knownAs returns the name that a program is known as: that of the path it is called
// by, which is what counts for busybox, or that of the file (real) it leads to.
func knownAs(path, real string) (name string, known bool) {
	for _, p := range []string{path, real} {
		if name = interpreterName(p); isPersonal(name) || name == "env" {
			return name, isPersonal(name)
		}
	}
	return "", false
}

// impersonal tells whether an interpreter that is called with these words, the path of
// a script among them where there is one, reads nothing of the user's by itself.
func impersonal(name string, words []string) bool {
	alone, isolated, script := false, false, false
	for i, w := range words {
		if !strings.HasPrefix(w, "-") {
			script = true
			break // what follows is the script's
		}
		switch name {
		case "sh", "dash", "ash", "ksh", "ksh93", "mksh":
			if !options(w, "abcefhkmnpstuvxBCEHPT") { // not -i, -l
				return false
			}
		case "bash": // not -c either: ~/.bashrc is read then where standard input is a socket
			if !options(w, "abefhkmnptuvxBCEHPT") {
				return false
			}
		case "python", "pypy", "platform-python":
			// -I and -s keep the user's site-packages out, and usercustomize with them. But
			// for -I, code that is no script finds modules in the caller's directory.
			if isolated && (w == "-c" || w == "-m") {
				return true
			}
			if !options(w, "bBdEIOPqsSuvx") {
				return false
			}
			alone = alone || strings.ContainsAny(w, "Is")
			isolated = isolated || strings.Contains(w, "I")
		default:
			// No startup files but the system's.
			return i == 0 && w == "-f" && (name == "zsh" || name == "csh" || name == "tcsh")
		}
	}
	switch name {
	case "sh", "dash", "ash", "ksh", "ksh93", "mksh":
		return true // what an interactive one reads is named by ENV, which is nobody's
	case "bash":
		return script
	}
	return alone
}

// options tells whether a word is a dash with letters of these.
func options(word, letters string) bool {
	return len(word) > 1 && word[0] == '-' && strings.Trim(word[1:], letters) == ""
}

// scriptOf returns the script that an interpreter is told to run by words which
// impersonal allows; empty where they hold the code themselves, or there is none.
func scriptOf(name string, words []string) string {
	for _, w := range words {
		if !strings.HasPrefix(w, "-") {
			return w
		}
		code := "cs" // or standard input has it
		if python(name) {
			code = "cm"
		}
		if strings.ContainsAny(w, code) {
			return ""
		}
	}
	return ""
}

func python(name string) bool {
	return name == "python" || name == "pypy" || name == "platform-python"
}
