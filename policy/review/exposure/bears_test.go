package exposure

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ironwrap/filters"
)

// said are what a policy may have in the place of what does not bear the effect of a row.
// There are kinds of words that a program reads: a number, a host.
var kept = map[string][]string{
	"mine": {"/usr/share/y", "y"}, "dest": {"/srv/y", "/dev/null"}, "file": {"/etc/hostname"}, "dir": {"/srv"}, "name": {"/srv/y"}, "new": {"/srv/y"},
	"any": {"y"}, "free": {"y"}, "num": {"7"}, "pid": {"7"}, "ns": {"y"}, "url": {"http://y/"}, "remote": {"h:y"}, "cmd": {"ls"}, "user": {"root"}, "group": {"root"}, "package": {"vim"},
}

// TestFixed: for each row, and each word of it that the effect does not come from, a
// policy's own word in that place takes nothing of the effect.
func TestFixed(t *testing.T) {
	tried := 0
	for program, rows := range table {
		for _, w := range rows {
			words := strings.Fields(w.form)
			for i, word := range words {
				names := placeholder.FindAllString(word, -1)
				if len(names) != 1 || w.essential(i) || !w.borne(i) || needsBoth[w.programs] {
					continue
				}
				for _, text := range kept[strings.Trim(names[0], "{}")] {
					if w.power == Read && text == "/dev/null" || w.power == Read && text == "/srv/y" && keepsMode(program) {
						continue
					}
					fixed := slices.Clone(words)
					fixed[i] = strings.Replace(word, names[0], text, 1)
					if line, ok := definition(program, fixed); ok {
						tried++
						want := power(w.power).Weight
						if w.power == Write { // contents of the policy's overwrite as well, where there is a file
							want = power(Destroy).Weight * partOf
						}
						if f := Of(entry(t, line), Machine{}); len(f.Cells) == 0 || f.Score.Gate() < float64(want) {
							t.Errorf("%s %s: %s is %v: %+v", program, w.form, line, f.Score, f.Cells)
						}
					}
				}
			}
		}
	}
	t.Logf("%d filters", tried)
}

// borne tells that the effect of a row comes from another word than number i.
func (w way) borne(i int) bool {
	for j, word := range strings.Fields(w.form) {
		for _, name := range placeholder.FindAllString(word, -1) {
			if j != i && (w.essential(j) || kept[strings.Trim(name, "{}")] == nil) {
				return true
			}
		}
	}
	return false
}

// essential tells that the effect of a row comes from a word of its form.
func (w way) essential(i int) bool {
	words := strings.Fields(w.form)
	loose := strings.Fields(w.loosened())
	name := strings.Trim(placeholder.FindString(words[i]), "{}")
	switch name {
	case "mine", "dest":
		return loose[i] == words[i]
	case "file", "name", "dir", "new":
		return precious[w.power] != nil
	case "user", "group":
		return w.power == Owner
	}
	return false
}

// definition is a filter with fixed words, and patterns in the place of the rest.
func definition(program string, words []string) (string, bool) {
	args := []string{regexp.QuoteMeta(program)}
	for _, word := range words {
		switch at := placeholder.FindStringIndex(word); {
		case word == "…":
		case strings.HasPrefix(word, "!-"):
		case at == nil:
			word, _, _ = strings.Cut(word, "|")
			args = append(args, regexp.QuoteMeta(word))
		case strings.Contains(word, "|"):
			return "", false
		default:
			args = append(args, regexp.QuoteMeta(word[:at[0]])+".*")
		}
	}
	return fmt.Sprintf("RegExpFilter, %s, root, %s", program, strings.Join(args, ", ")), true
}

// TestFixedLines: filters in which a word of the policy's stood in the way of a row.
func TestFixedLines(t *testing.T) {
	for line, want := range map[string]Score{
		"tar, -I.*, -cf, /dev/null, /etc/hostname":                                         10,
		"tar, -cf, /dev/null, --checkpoint=1, --checkpoint-a=.*, .*":                       10,
		"tar, -cf, /dev/null, --checkpoint=10, --checkpoint-action=.*, /etc":               10,
		"tar, -cf, /dev/null, --checkpoint-action=.*, /etc":                                10,
		"tar, -tf, .*, --rsh-c=.*":                                                         10,
		"tar, -xf, h:y, --rsh-command, .*":                                                 10,
		"tar, -tMf, .*, -F, .*":                                                            10,
		"tar, -tf, /srv/x.tar, --checkpoint=1, --checkpoint-action=.*":                     10,
		"tar, -dI, .*, -f, /srv/x.tar":                                                     10,
		"tar, -rf, /srv/x.tar, --checkpoint=1, --checkpoint-action=exec=.*, /etc/hostname": 10,
		"tar, xf, /srv/x.tar, --to-command=.*":                                             10,
		"install, --strip-program=.*, -s, /etc/hostname, X":                                10,
		"install, -s, -t, /srv, --strip-program, .*, /etc/hostname":                        10,
		"install, -d, -o, nobody, .*":                                                      10,
		`install, -dm, \d+, /srv/[a-z]+`:                                                   4,
		"setcap, .*, /usr/bin/[a-z]+":                                                      10,
		"cp, /etc/hostname, .*":                                                            7,
		"cp, /dev/null, .*":                                                                7,
		"cp, -f, /srv/y, .*":                                                               7,
		"mv, /etc/hostname, .*":                                                            7,
		"install, /etc/hostname, .*":                                                       7,
		"rsync, /srv/y, .*":                                                                7,
		"ln, -sf, /srv/y, .*":                                                              7,
		"ip, -all, netns, exec, .*":                                                        10,
		"gawk, -i, .*, 1":                                                                  10,
		"gawk, --include=.*, 1":                                                            10,
		"gawk, -l, .*, 1":                                                                  10,
		"gawk, -o.*":                                                                       7,
		"haproxy, -c, --, .*":                                                              10,
		"mount.fuse3, .*, /mnt":                                                            10,
		"mount, -t, fuse\\..*, DEV, /mnt":                                                  10,
		"mount, -t, fuse, .*, /mnt":                                                        10,
		"dhclient, -e, .*, -1, d0":                                                         10,
		"lvmconfig, --config, .*":                                                          10,
		"qemu-img, create, -f, qcow2, -o, .*, X, 1M":                                       7,
		"qemu-img, --trace=.*, info, X":                                                    7,
		"qemu-img, convert, -o, .*, X, Y":                                                  7,
		"qemu-img, create, -f, qcow2, -o, preallocation=off,.*, X, 1M":                     7,
		"qemu-img, -T, .*, info, X":                                                        7,
		"strongswan, start, --conf, .*":                                                    10,
		"script, -qc, .*, /dev/null":                                                       10,
		"flock, /srv/lock, .*":                                                             10,
		"scp, -S, .*, h:y, /srv/y":                                                         10,
		"zip, -T, -TT, .*, /srv/y, /etc/hostname":                                          10,
		"cmp, -l, /etc/hostname, .*":                                                       7,
		"diff, /etc/hostname, .*":                                                          7,
		"zstd, -d, /srv/y.zst, -o, .*, -f":                                                 7,
	} {
		program, _, _ := strings.Cut(line, ",")
		f := Of(entry(t, fmt.Sprintf("RegExpFilter, %s, root, %s", program, line)), Machine{})
		if f.Score < want {
			t.Errorf("%s: %v, want %v: %+v", line, f.Score, want, f.Cells)
		}
	}
	if f := Of(entry(t, "CommandFilter, strongswan, root"), Machine{}); f.Score != 10 {
		t.Errorf("strongswan: %+v", f)
	}
}

// TestApart: of options that a program takes one of, an example has one.
func TestApart(t *testing.T) {
	for _, line := range []string{"tar, -czf, /var/backups/hb.tgz, .*, .*", "tar, -df, .*, .*", "tar, -cf, .*, .*, .*", "tar, .*, .*, .*", "tar, -tf, .*, .*", "tar, -z, .*, .*, .*", "cpio, .*, .*, .*", "bsdtar, -c, .*, .*, .*"} {
		program, _, _ := strings.Cut(line, ",")
		f := Of(entry(t, fmt.Sprintf("RegExpFilter, %s, root, %s", program, line)), Machine{})
		if f.Score < 7 {
			t.Errorf("%s: %v", line, f.Score)
		}
		for _, c := range f.Cells {
			if modes := mode(program, c.Example); c.Extent != Implied && len(modes) > 1 {
				t.Errorf("%s: %s: %s has the modes %s", line, c.Power, Command(c.Example), modes)
			}
		}
	}
}

// TestUndone: what takes the effect away is not in an example.
func TestUndone(t *testing.T) {
	for line, most := range map[string]Score{
		"wget, --version, .*, .*":           3,
		"curl, --version, .*, .*":           3,
		"tar, --help, .*, .*":               3,
		"install, -d, .*":                   3,
		"losetup, -a, .*, .*":               3,
		"mkfs.ext4, -n, .*, .*":             3,
		"unzip, -l, .*, .*":                 3,
		"gzip, -l, .*, .*":                  3,
		"start-stop-daemon, -K, .*, .*, .*": 6,
		"install, --directory, /srv/[a-z]+": 3,
	} {
		program, _, _ := strings.Cut(line, ",")
		if f := Of(entry(t, fmt.Sprintf("RegExpFilter, %s, root, %s", program, line)), Machine{}); f.Score > most {
			t.Errorf("%s: %v, %s", line, f.Score, Command(f.Cells[0].Example))
		}
	}
}

// mode are the letters of tar and its like that say what it does, in the words of a
// command that begin with a dash, or in the first.
func mode(program string, argv []filters.Untrusted) string {
	letters := map[string]string{"tar": "Acdrtux", "bsdtar": "crtux", "cpio": "iop"}[program]
	found := ""
	for i, word := range argv[1:] {
		word := word.Raw()
		body, dash := strings.CutPrefix(word, "-")
		if strings.HasPrefix(body, "-") || !dash && (i > 0 || program != "tar" || strings.ContainsAny(word, "./")) {
			continue
		}
		for _, letter := range body {
			if strings.ContainsRune("fCIFTH", letter) {
				break // its value follows
			}
			if strings.ContainsRune(letters, letter) && !strings.ContainsRune(found, letter) {
				found += string(letter)
			}
		}
	}
	return found
}

// TestFixedAttempt: the same for what sudoers allows.
func TestFixedAttempt(t *testing.T) {
	for _, c := range []struct{ program, power, line string }{
		{"cp", Destroy, "/etc/hostname *"},
		{"mv", Destroy, "/etc/hostname *"},
		{"tar", Run, "-c -I * /etc/hostname"},
		{"install", Run, "-s --strip-program=* /etc/hostname y"},
	} {
		words := strings.Fields(c.line)
		takes := func(args []string) bool {
			if len(args) != len(words) {
				return false
			}
			for i, word := range words {
				if before, free := strings.CutSuffix(word, "*"); args[i] != word && (!free || !strings.HasPrefix(args[i], before)) {
					return false
				}
			}
			return true
		}
		if how, argv, ok := Attempt(c.program, []string{c.power}, takes, []string{strings.ReplaceAll(c.line, "*", "")}, false); !ok {
			t.Errorf("%s %s: %s %q", c.program, c.line, how, argv)
		}
	}
}
