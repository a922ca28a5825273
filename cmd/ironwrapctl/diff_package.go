package main

import (
	"archive/tar"
	"bytes"
	"crypto/md5"
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
	files, err := owned(path)
	if err != nil {
		return nil, nil, err
	}
	if len(files) == 0 {
		return nil, nil, fmt.Errorf("cannot compare %s with its package: no package that dpkg knows has brought it: give OLD and NEW", filters.Show(path))
	}
	if err := lay(tree, files, archives); err != nil {
		return nil, nil, err
	}
	if old, err = difference.Load(tree, path); err != nil {
		return nil, nil, err
	}
	for _, dir := range old.Policy.FiltersPath {
		if files, err = owned(dir + "/*.filters"); err != nil {
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

// ownedFile is a file that a package brought.
type ownedFile struct {
	path, owner string
	md5         string // of what the package brought, in hexadecimal
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

// owned are the files that packages brought and that a pattern matches, whether or not
// they are still there.
func owned(pattern string) (files []ownedFile, err error) {
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
				files = append(files, ownedFile{"/" + path, name, sum})
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

// original is what the package brought: the file itself where nobody changed it, else
// what dpkg laid beside it, or what is in an archive. Only the checksum counts.
func (f ownedFile) original(archives []string) ([]byte, error) {
	for _, candidate := range []string{f.path, f.path + ".dpkg-dist", f.path + ".dpkg-new"} {
		if data, err := os.ReadFile(candidate); err == nil && f.is(data) {
			return data, nil
		}
	}
	name, _, _ := strings.Cut(f.owner, ":")
	cached, _ := filepath.Glob("/var/cache/apt/archives/" + name + "_*.deb")
	for _, archive := range slices.Concat(archives, cached) {
		data, err := f.within(archive)
		if err != nil {
			return nil, err
		}
		if f.is(data) {
			return data, nil
		}
	}
	version, _ := output("dpkg-query", "--show", "--showformat=${Version}", f.owner)
	return nil, fmt.Errorf("cannot tell what %s was as package %s brought it: it was changed, and the original is not at hand: get it with \"apt-get download %s=%s\" and give it with --archive",
		filters.Show(f.path), filters.Show(f.owner), name, version)
}

func (f ownedFile) is(data []byte) bool {
	sum := md5.Sum(data)
	return hex.EncodeToString(sum[:]) == f.md5
}

// within is the file as it is in a .deb; nil where it is not.
func (f ownedFile) within(archive string) ([]byte, error) {
	out, err := output("dpkg-deb", "--fsys-tarfile", archive)
	if err != nil {
		return nil, fmt.Errorf("cannot read package %s: %w", filters.Show(archive), err)
	}
	for entries := tar.NewReader(bytes.NewReader(out)); ; {
		entry, err := entries.Next()
		if err == io.EOF {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("cannot read package %s: %w", filters.Show(archive), err)
		}
		if filepath.Clean("/"+entry.Name) == f.path {
			return io.ReadAll(entries)
		}
	}
}

// output runs a program of the system for what it prints.
func output(program string, args ...string) ([]byte, error) {
	c := exec.Command(program, args...)
	c.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	return c.Output()
}
