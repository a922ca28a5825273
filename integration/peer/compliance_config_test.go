package peer

import (
	"os"

	"ironwrap/integration/rig"
)

// A39 to A47: whose configuration counts.

const allowID = "id: CommandFilter, id, root"

// evilFilter allows the caller's own program.
const allowEvil = "[Filters]\nevil: CommandFilter, {home}/evil, root\n"

// chmod and chown are setups.
func chmod(path string, mode os.FileMode) func(*stage) {
	return func(s *stage) {
		if err := os.Chmod(s.expand(path), mode); err != nil {
			s.Fatal(err)
		}
	}
}

func chown(paths ...string) func(*stage) {
	return func(s *stage) {
		for _, path := range paths {
			s.give(s.expand(path))
		}
	}
}

func links(target, path string) func(*stage) {
	return func(s *stage) { s.link(s.expand(target), s.expand(path)) }
}

// filterFile makes {dir}/filters.d/name.
func filterFile(name, text string) func(*stage) {
	return func(s *stage) { s.rootFile("filters.d/"+name, s.expand(text), 0o644) }
}

// noFilterFile removes the one that every policy begins with.
func noFilterFile(s *stage) {
	if err := os.Remove(s.Filters); err != nil {
		s.Fatal(err)
	}
}

// configuration writes the whole of rootwrap.conf, at path.
func configuration(path, text string) func(*stage) {
	return func(s *stage) {
		s.Conf, s.written = s.expand(path), true
		rig.Write(s, s.Conf, s.expand(text))
	}
}

// againstOrder puts two filters for one program into two files whose names sort
// one way, while the directory holds them the other way round.
func againstOrder(s *stage) {
	noFilterFile(s)
	for n := range 64 {
		dir := s.Dir + "/filters.d"
		a, z := "a"+string(rune('0'+n))+".filters", "z"+string(rune('0'+n))+".filters"
		rig.Write(s, dir+"/"+z, "[Filters]\nid: CommandFilter, id, root\n")
		rig.Write(s, dir+"/"+a, "[Filters]\nid: CommandFilter, id, nobody\n")
		d, err := os.Open(dir)
		if err != nil {
			s.Fatal(err)
		}
		names, err := d.Readdirnames(-1)
		d.Close()
		if err != nil {
			s.Fatal(err)
		}
		if names[0] == z {
			return
		}
		os.Remove(dir + "/" + a)
		os.Remove(dir + "/" + z)
	}
	s.Fatal("no pair of names whose order in the directory is not that of the alphabet")
}

var configRows = []weakness{
	{id: "A39",
		attempts: []attempt{
			{name: "blank after a comma, and a directory of that name", filters: allowID, conf: "exec_dirs={dir}/none, /usr/bin",
				setup: plants(" /usr/bin/id"), argv: rig.Words("id -u")},
			{name: "blank after a comma, and none", filters: allowID, conf: "exec_dirs={dir}/none, /usr/bin", argv: rig.Words("id -u")},
		},
		neighbours: []attempt{
			{name: "no blank", filters: allowID, conf: "exec_dirs={dir}/none,/usr/bin", setup: plants(" /usr/bin/id"), argv: rig.Words("id -u"), want: itPrinted("0")},
		}},
	{id: "A40",
		attempts: []attempt{
			{name: "blank after a comma, and a directory of that name", conf: "filters_path={dir}/none, {dir}/filters.d",
				setup: func(s *stage) { s.homeFile(" "+s.Dir+"/filters.d/x.filters", s.expand(allowEvil), 0o644) }, argv: rig.Words("evil")},
			{name: "blank after a comma, and none", filters: allowID, conf: "filters_path={dir}/none, {dir}/filters.d", argv: rig.Words("id -u")},
			{name: "relative path", conf: "filters_path=filters,{dir}/filters.d", setup: homeFiles("filters/x.filters", allowEvil), argv: rig.Words("evil")},
			{name: "directory of the caller's", conf: "filters_path={home}/filters", setup: homeFiles("filters/x.filters", allowEvil), argv: rig.Words("evil")},
		},
		neighbours: []attempt{
			{name: "no blank", filters: allowID, conf: "filters_path={dir}/none,{dir}/filters.d", argv: rig.Words("id -u"), want: itPrinted("0")},
		}},
	{id: "A41",
		attempts: []attempt{
			{name: "dot in exec_dirs", filters: allowID, conf: "exec_dirs=.,/usr/bin", setup: plants("id"), argv: rig.Words("id -u")},
			{name: "nothing in exec_dirs", filters: "id: CommandFilter, bin/id, root", conf: "exec_dirs=,/usr", setup: plants("bin/id"), argv: rig.Words("id -u")},
			{name: "directory of the caller's in exec_dirs", filters: allowID, conf: "exec_dirs={home}/bin,/usr/bin", setup: plants("bin/id"), argv: rig.Words("id -u")},
			{name: "directory that all may write to in exec_dirs", filters: allowID, conf: "exec_dirs={dir}/bin,/usr/bin",
				setup: allOf(rootFiles("bin/x", ""), chmod("{dir}/bin", 0o777), asPlanted("{dir}/bin/id")), argv: rig.Words("id -u")},
			{name: "program of the caller's in a filter", filters: "evil: CommandFilter, {home}/evil, root", argv: rig.Words("evil")},
			{name: "program of the caller's in a directory of root's", filters: allowID, conf: "exec_dirs={dir}/bin,/usr/bin",
				setup: allOf(rootFiles("bin/x", ""), asPlanted("{dir}/bin/id")), argv: rig.Words("id -u")},
		},
		neighbours: []attempt{
			{name: "directory of root's in exec_dirs", filters: allowID, conf: "exec_dirs={dir}/bin,/usr/bin", setup: rootFiles("bin/id", "#!/bin/sh\necho from bin\n"),
				argv: rig.Words("id -u"), want: itPrinted("from bin")},
			{name: "directory that is not there in exec_dirs", filters: allowID, conf: "exec_dirs={dir}/none,/usr/bin", argv: rig.Words("id -u"), want: itPrinted("0")},
		}},
	{id: "A42",
		attempts: []attempt{
			{name: "no exec_dirs", filters: allowID, conf: "# no exec_dirs", setup: plants("bin/id"),
				unit: true, env: []string{"PATH={home}/bin:/usr/bin"}, argv: rig.Words("id -u")},
		},
		neighbours: []attempt{
			{name: "no exec_dirs, below sudo's PATH", filters: allowID, conf: "# no exec_dirs", setup: plants("bin/id"), argv: rig.Words("id -u"), want: itPrinted("0")},
			{name: "exec_dirs", filters: allowID, setup: plants("bin/id"), unit: true, env: []string{"PATH={home}/bin:/usr/bin"},
				argv: rig.Words("id -u"), want: itPrinted("0")},
		}},
	{id: "A43",
		attempts: []attempt{
			{name: "rootwrap.conf that all may write", setup: allOf(homeFiles("filters/x.filters", allowEvil),
				configuration("{dir}/rootwrap.conf", "[DEFAULT]\nfilters_path={home}/filters\n"), chmod("{dir}/rootwrap.conf", 0o666)), argv: rig.Words("evil")},
			{name: "rootwrap.conf of the caller's", setup: allOf(homeFiles("filters/x.filters", allowEvil),
				configuration("{home}/rootwrap.conf", "[DEFAULT]\nfilters_path={home}/filters\n"), chown("{home}/rootwrap.conf")), argv: rig.Words("evil")},
			{name: "files of root's in a directory of the caller's, with strict_paths", filters: allowID, conf: "strict_paths=yes",
				setup: chown("{dir}"), argv: rig.Words("id -u")},
			{name: "link to rootwrap.conf in a directory of the caller's", filters: allowID,
				setup: allOf(configuration("{dir}/rootwrap.conf", "[DEFAULT]\nfilters_path={dir}/filters.d\n"), links("{dir}/rootwrap.conf", "{home}/rootwrap.conf"),
					func(s *stage) { s.Conf = s.home + "/rootwrap.conf" }), argv: rig.Words("id -u")},
			{name: "filter file of the caller's", setup: allOf(filterFile("x.filters", allowEvil), chown("{dir}/filters.d/x.filters")), argv: rig.Words("evil")},
			{name: "filter file that its group may write",
				setup: allOf(filterFile("x.filters", allowEvil), chmod("{dir}/filters.d/x.filters", 0o664)), argv: rig.Words("evil")},
			{name: "link to a filter file of the caller's",
				setup: allOf(homeFiles("x.filters", allowEvil), links("{home}/x.filters", "{dir}/filters.d/x.filters")), argv: rig.Words("evil")},
			{name: "filter directory of the caller's", setup: allOf(filterFile("x.filters", allowEvil), chown("{dir}/filters.d")), argv: rig.Words("evil")},
		},
		neighbours: []attempt{
			{name: "all of root's", filters: allowID, argv: rig.Words("id -u"), want: itPrinted("0")},
			{name: "files of root's in a directory of the service's", filters: allowID, setup: chown("{dir}"), argv: rig.Words("id -u"), want: itPrinted("0")},
			{name: "link of root's to a filter file of root's", setup: allOf(rootFiles("elsewhere/x.filters", "[Filters]\n"+allowID+"\n"),
				links("{dir}/elsewhere/x.filters", "{dir}/filters.d/x.filters")), argv: rig.Words("id -u"), want: itPrinted("0")},
			{name: "files that only root and a group may read", filters: allowID,
				setup: allOf(filterFile("x.filters", "[Filters]\n"), chmod("{dir}/filters.d/x.filters", 0o640)), argv: rig.Words("id -u"), want: itPrinted("0")},
		}},
	{id: "A44",
		attempts: []attempt{
			{name: "dpkg-old", setup: filterFile("compute.filters.dpkg-old", "[Filters]\n"+allowID+"\n"), argv: rig.Words("id -u")},
			{name: "tilde", setup: filterFile("compute.filters~", "[Filters]\n"+allowID+"\n"), argv: rig.Words("id -u")},
			{name: "bak", setup: filterFile("compute.filters.bak", "[Filters]\n"+allowID+"\n"), argv: rig.Words("id -u")},
			{name: "hidden", setup: filterFile(".compute.filters", "[Filters]\n"+allowID+"\n"), argv: rig.Words("id -u"), want: itRefused(99)},
		},
		neighbours: []attempt{
			{name: "second file", setup: filterFile("compute.filters", "[Filters]\n"+allowID+"\n"), argv: rig.Words("id -u"), want: itPrinted("0")},
		}},
	{id: "A45",
		attempts: []attempt{
			{name: "file without filters", filters: allowID, setup: filterFile("empty.filters", "# nothing any more\n"), argv: rig.Words("id -u")},
			{name: "file with another section", filters: allowID, setup: filterFile("other.filters", "[Other]\nx=y\n"), argv: rig.Words("id -u")},
			{name: "too few fields", filters: "short: CommandFilter, id\n" + allowID, argv: rig.Words("id -u")},
			{name: "function of the peer's module as a class", filters: "odd: realpath, /\n" + allowID, argv: rig.Words("id -u")},
		},
		neighbours: []attempt{
			{name: "class that nobody knows", filters: "odd: NoSuchFilter, id, root\n" + allowID, argv: rig.Words("id -u"), want: itPrinted("0")},
			{name: "section without filters", filters: allowID, setup: filterFile("empty.filters", "[Filters]\n"), argv: rig.Words("id -u"), want: itPrinted("0")},
		}},
	{id: "A46",
		attempts: []attempt{
			{name: "two users in two files", setup: againstOrder, argv: rig.Words("id -u")},
			{name: "the same name twice", filters: "x: CommandFilter, id, root\nx: CommandFilter, id, nobody", argv: rig.Words("id -u"), want: itPrinted("65534")},
		},
		neighbours: []attempt{
			{name: "two users in one file", filters: "x: CommandFilter, id, nobody\ny: CommandFilter, id, root", argv: rig.Words("id -u"), want: itPrinted("65534")},
		}},
	{id: "A47",
		attempts: []attempt{
			{name: "link of the caller's", filters: "read: ReadFileFilter, {home}/file",
				setup: allOf(rootFiles("secret", "secret"), links("{dir}/secret", "{home}/file")), argv: rig.Words("cat {home}/file")},
			{name: "file that is not there, in the caller's directory", filters: "read: ReadFileFilter, {home}/none", argv: rig.Words("cat {home}/none")},
			{name: "file of the caller's", filters: "read: ReadFileFilter, {home}/file", setup: homeFiles("file", "text"), argv: rig.Words("cat {home}/file")},
		},
		neighbours: []attempt{
			{name: "file of root's", filters: "read: ReadFileFilter, {dir}/file", setup: rootFiles("file", "text"),
				argv: rig.Words("cat {dir}/file"), want: itPrinted("text")},
			{name: "file that is not there", filters: "read: ReadFileFilter, {dir}/none", argv: rig.Words("cat {dir}/none"), want: "ended with status 1"},
			{name: "file of the caller's in a directory of root's", filters: "read: ReadFileFilter, {dir}/file",
				setup: allOf(rootFiles("file", "text"), chown("{dir}/file")),
				argv:  rig.Words("cat {dir}/file"), want: itPrinted("text")},
			{name: "link of root's", filters: "read: ReadFileFilter, {dir}/link", setup: allOf(rootFiles("file", "text"), links("{dir}/file", "{dir}/link")),
				argv: rig.Words("cat {dir}/link"), want: itPrinted("text")},
		}},
}

// asPlanted is the caller's program at path, a copy that is the caller's too.
func asPlanted(path string) func(*stage) {
	return func(s *stage) {
		s.copyOf(s.home+"/evil", s.expand(path))
		s.give(s.expand(path))
	}
}
