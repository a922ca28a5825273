package main

import (
	"archive/tar"
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"ironwrap/filters"
	"ironwrap/policy/review/difference"
)

// packaged loads a configuration, and what the packages that own its files brought.
func packaged(config string, archives []string) (old, new *difference.Side, err error) {
	path, err := filepath.Abs(config)
	if err != nil {
		return nil, nil, err
	}
	if new, err = difference.Load("", path); err != nil {
		return nil, nil, err
	}
	tree, err := os.MkdirTemp("", "ironwrapctl-diff-")
	if err != nil {
		return nil, nil, fmt.Errorf("cannot make a directory for the packages' files: %w", err)
	}
	defer os.RemoveAll(tree)
	m, files, err := managerOf(path)
	if err != nil {
		return nil, nil, err
	}
	if err := lay(tree, files, archives); err != nil {
		return nil, nil, err
	}
	if old, err = difference.Load(tree, path); err != nil {
		return nil, nil, err
	}
	for _, dir := range old.Policy.FiltersPath {
		if files, err = m.owned(dir + "/*.filters"); err != nil {
			return nil, nil, err
		}
		if err := lay(tree, files, archives); err != nil {
			return nil, nil, err
		}
	}
	if old, err = difference.Load(tree, path); err != nil {
		return nil, nil, err
	}
	old.Here()
	return old, new, nil
}

// manager is a package manager, and what it knows of the files of packages.
type manager struct {
	query string // the program that is asked
	// owned are the files that packages brought and that a pattern matches, whether or not
	// they are still there.
	owned func(pattern string) ([]ownedFile, error)
}

var managers = []manager{{"dpkg-query", ownedByDpkg}, {"rpm", ownedByRPM}}

// managerOf finds the package manager that knows a file.
func managerOf(path string) (manager, []ownedFile, error) {
	asked := []string{}
	for _, m := range managers {
		if _, err := exec.LookPath(m.query); err != nil {
			continue
		}
		asked = append(asked, m.query)
		if files, err := m.owned(path); err != nil || len(files) > 0 {
			return m, files, err
		}
	}
	if len(asked) == 0 {
		return manager{}, nil, fmt.Errorf("cannot compare %s with its package: --against-package needs dpkg or rpm: give OLD and NEW", filters.Show(path))
	}
	return manager{}, nil, fmt.Errorf("cannot compare %s with its package: no package that %s knows has brought it: give OLD and NEW", filters.Show(path), strings.Join(asked, " or "))
}

// ownedFile is a file that a package brought.
type ownedFile struct {
	path, owner string
	sum         string   // of what the package brought, in hexadecimal: MD5 or SHA-256
	beside      []string // what the package manager calls the original that it lays beside a changed file
	cached      []string // packages in which it may be
	get         string   // the command that gets the package
	within      func(archive, path string) ([]byte, error)
}

// lay writes files into a tree as their packages brought them.
func lay(tree string, files []ownedFile, archives []string) error {
	for _, f := range files {
		data, err := f.original(archives)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(tree+f.path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(tree+f.path, data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// original is what the package brought: the file itself where nobody changed it, else
// what the package manager laid beside it, or what is in an archive. Only the checksum
// counts.
func (f ownedFile) original(archives []string) ([]byte, error) {
	for _, suffix := range append([]string{""}, f.beside...) {
		if data, err := os.ReadFile(f.path + suffix); err == nil && f.is(data) {
			return data, nil
		}
	}
	for _, archive := range slices.Concat(archives, f.cached) {
		data, err := f.within(archive, f.path)
		if err != nil {
			return nil, fmt.Errorf("cannot read package %s: %w", filters.Show(archive), err)
		}
		if f.is(data) {
			return data, nil
		}
	}
	return nil, fmt.Errorf("cannot tell what %s was as package %s brought it: it was changed, and the original is not at hand: get it with %q and give it with --archive",
		filters.Show(f.path), filters.Show(f.owner), f.get)
}

func (f ownedFile) is(data []byte) bool {
	if len(f.sum) == hex.EncodedLen(md5.Size) {
		sum := md5.Sum(data)
		return hex.EncodeToString(sum[:]) == f.sum
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]) == f.sum
}

func ownedByDpkg(pattern string) (files []ownedFile, err error) {
	out, err := output("dpkg-query", "--search", "--", pattern)
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 1 { // there is none
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot ask dpkg for the package of %s: %w: --against-package needs it; else give OLD and NEW", filters.Show(pattern), err)
	}
	for line := range strings.Lines(string(out)) {
		owner, path, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ": /")
		if !ok || strings.HasPrefix(owner, "diversion by ") {
			continue
		}
		for _, name := range strings.Split(owner, ", ") {
			sum, err := packagedSum(name, "/"+path)
			if err != nil {
				return nil, err
			}
			if sum != "" {
				files = append(files, dpkgFile("/"+path, name, sum))
			}
		}
	}
	return files, nil
}

// packagedSum is the checksum of a file as its package brought it: "" for what the
// package has no more (an obsolete file of configuration).
func packagedSum(owner, path string) (string, error) {
	out, err := output("dpkg-query", "--show", "--showformat=${Conffiles}\n", owner)
	if err != nil {
		return "", fmt.Errorf("cannot ask dpkg for the files of package %s: %w", filters.Show(owner), err)
	}
	for line := range strings.Lines(string(out)) {
		if fields := strings.Fields(line); len(fields) >= 2 && fields[0] == path {
			if len(fields) > 2 || fields[1] == "newconffile" {
				return "", nil
			}
			return fields[1], nil
		}
	}
	out, err = output("dpkg-query", "--control-show", owner, "md5sums")
	if err != nil {
		return "", fmt.Errorf("cannot ask dpkg for the checksums of package %s: %w", filters.Show(owner), err)
	}
	for line := range strings.Lines(string(out)) {
		if sum, name, ok := strings.Cut(strings.TrimSpace(line), "  "); ok && "/"+name == path {
			return sum, nil
		}
	}
	return "", fmt.Errorf("cannot compare %s: package %s has no checksum of it", filters.Show(path), filters.Show(owner))
}

func dpkgFile(path, owner, sum string) ownedFile {
	name, _, _ := strings.Cut(owner, ":")
	cached, _ := filepath.Glob("/var/cache/apt/archives/" + name + "_*.deb")
	version, _ := output("dpkg-query", "--show", "--showformat=${Version}", owner)
	return ownedFile{path, owner, sum, []string{".dpkg-dist", ".dpkg-new"}, cached, "apt-get download " + name + "=" + string(version), withinDeb}
}

// withinDeb is a file as it is in a .deb; nil where it is not.
func withinDeb(archive, path string) ([]byte, error) {
	out, err := output("dpkg-deb", "--fsys-tarfile", archive)
	if err != nil {
		return nil, err
	}
	for entries := tar.NewReader(bytes.NewReader(out)); ; {
		entry, err := entries.Next()
		if err == io.EOF {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		if filepath.Clean("/"+entry.Name) == path {
			return io.ReadAll(entries)
		}
	}
}

// ownedByRPM asks for all files of all packages: rpm has no patterns. A file without a
// digest is a directory or a link.
func ownedByRPM(pattern string) (files []ownedFile, err error) {
	out, err := output("rpm", "--query", "--all", "--queryformat", `[%{=NAME}-%{=EVR}.%{=ARCH}\t%{FILENAMES}\t%{FILEDIGESTS}\n]`)
	if err != nil {
		return nil, fmt.Errorf("cannot ask rpm for the package of %s: %w", filters.Show(pattern), err)
	}
	for line := range strings.Lines(string(out)) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(fields) != 3 || fields[2] == "" {
			continue
		}
		owner, path, sum := fields[0], fields[1], fields[2]
		if match, err := filepath.Match(pattern, path); err != nil || !match {
			continue
		}
		if len(sum) != hex.EncodedLen(md5.Size) && len(sum) != hex.EncodedLen(sha256.Size) {
			return nil, fmt.Errorf("cannot compare %s: package %s has a checksum of it that is neither MD5 nor SHA-256", filters.Show(path), filters.Show(owner))
		}
		files = append(files, ownedFile{path, owner, sum, []string{".rpmnew"}, nil, "dnf download " + owner, withinRPM})
	}
	return files, nil
}

// withinRPM is a file as it is in a .rpm; nil where it is not.
func withinRPM(archive, path string) ([]byte, error) {
	unpack := exec.Command("rpm2cpio", archive)
	list := exec.Command("cpio", "--extract", "--to-stdout", "--quiet", "."+path)
	var err error
	if list.Stdin, err = unpack.StdoutPipe(); err != nil {
		return nil, err
	}
	if err := unpack.Start(); err != nil {
		return nil, err
	}
	data, err := list.Output()
	if ended := unpack.Wait(); ended != nil {
		return nil, fmt.Errorf("rpm2cpio: %w", ended)
	}
	return data, err
}

// output runs a program of the system for what it prints.
func output(program string, args ...string) ([]byte, error) {
	c := exec.Command(program, args...)
	c.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	return c.Output()
}
