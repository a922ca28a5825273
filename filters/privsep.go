package filters

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
)

// privsep is the filter that stands at the end of every policy without being
// written there: oslo.privsep's helper, run as root. The peer accepts any
// argument, and "--log-config-append FILE" alone is a root shell; here the
// command line is the one that oslo.privsep builds, and no other.
type privsep struct {
	program
	contexts func() []string
	config   string // directory whose files the service may name
}

// Privsep returns the implicit filter. contexts are the dotted names that may be
// asked for: they are looked up when somebody asks. Configuration files must lie below config, the directory of
// rootwrap.conf, or be such that only root can have written them; with an empty
// config only the latter.
func Privsep(contexts func() []string, config string) Filter {
	return &privsep{program{"privsep-helper", "root"}, contexts, config}
}

func (p *privsep) Match(argv []Untrusted, m Machine) Match {
	if argv[0] != "privsep-helper" {
		return no("the command is not privsep-helper")
	}
	words := argv[1:]
	if len(words)%2 != 0 {
		return no("not: privsep-helper [--config-file FILE]... --privsep_context NAME --privsep_sock_path PATH")
	}
	out := Match{Matched: true, Args: append([]Untrusted(nil), words...)}
	contexts, sockets := 0, 0
	for i := 0; i < len(words); i += 2 {
		option, value := words[i], words[i+1]
		switch option {
		case "--config-file", "--config-dir":
			if contexts > 0 {
				return nof("%s stands behind --privsep_context, and could name another context: name the files first", option)
			}
			resolved, err := p.within(value, m)
			if err == nil {
				// Where somebody besides root can lead the path elsewhere meanwhile, the
				// helper gets the one that was looked at.
				if err := m.Stable(value.Raw()); err != nil && !errors.Is(err, fs.ErrNotExist) {
					out.Args[i+1] = resolved
					out.Paths = append(out.Paths, i+1)
				}
			} else if err := trusted(value, m); err != nil {
				return nof("%s %v", option, err)
			}
		case "--privsep_context":
			if !slices.Contains(p.contexts(), string(value)) {
				return nof("%s is not a known privsep context: add it to privsep_contexts in rootwrap.conf if a service needs it", value)
			}
			contexts++
		case "--privsep_sock_path":
			if !absolute(string(value)) {
				return nof("socket path %s is not absolute", value)
			}
			sockets++
		default:
			return nof("option %s of privsep-helper is not allowed", option)
		}
	}
	if contexts != 1 || sockets != 1 {
		return no("privsep-helper needs one --privsep_context and one --privsep_sock_path")
	}
	return out
}

func (p *privsep) within(file Untrusted, m Machine) (Untrusted, error) {
	if p.config == "" {
		return "", errNoConfig
	}
	return within(p.config+"/", file, "root", m)
}

var errNoConfig = errors.New("there is no directory for configuration")

func trusted(file Untrusted, m Machine) error {
	if !absolute(string(file)) {
		return &pathError{file, "is not an absolute path"}
	}
	// Out of a directory and back would tell whether there is one.
	if slices.Contains(strings.Split(string(file), "/"), "..") {
		return &pathError{file, "cannot be trusted: it holds .., write the path without"}
	}
	return m.Trusted(file)
}

// PrivsepContext is the context that the helper is asked for by its words, as oslo.config
// reads them (oslo_config/cfg.py). Of several the last counts, and a file of configuration
// that is named behind it counts as later. So it is known for certain only where nothing
// but the socket follows; else ok is false.
func PrivsepContext(words []Untrusted) (name Untrusted, ok bool) {
	for len(words) > 0 {
		last := string(words[len(words)-1])
		if value, is := strings.CutPrefix(last, "--privsep_context="); is {
			return Untrusted(value), true
		}
		if strings.HasPrefix(last, "--privsep_sock_path=") {
			words = words[:len(words)-1]
			continue
		}
		if len(words) < 2 {
			break
		}
		switch words[len(words)-2] {
		case "--privsep_context":
			return Untrusted(last), true
		case "--privsep_sock_path":
			words = words[:len(words)-2]
		default:
			return "", false
		}
	}
	return "", false
}
