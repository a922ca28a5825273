package lint

// example is a configuration that a rule finds something in, or must not. It is
// laid out as files of root's in a directory DIR:
//
// Others may be made beside it, below "../".
//
//	rootwrap.conf         filters_path=DIR/d, exec_dirs of the system, and conf
//	d/a.filters           [Filters] and filters
//	d/b.filters           [Filters] and also, where there is any
type example struct {
	conf    string // more lines of [DEFAULT], and sections behind it
	filters string
	also    string
	sudoers string // what sudo allows on the machine; DIR stands here too
	accepts string // a file of accepted risks
	setup   string // a shell script, run in DIR when all is laid out

	here    bool    // it is so only where programs and users are known: not in a tree
	gcc     bool    // setup needs a C compiler
	nobody  bool    // the check has the file access rights of nobody
	network string  // the answers of Facts
	profile Profile //
	loaded  map[string]string
	unread  string // what of sudoers was not read
	dir     string // where it is laid out

	at   string // where the finding stands, as "a.filters:2:5"
	says string // a part of its message, in which DIR stands for the directory
}
