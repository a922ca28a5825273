package exposure

// wordsAF are placeholders that the rows of the files *_af.go have beside those of
// fixed: words that hold blanks, or that a program takes in a form of its own.
var wordsAF = map[string][]string{
	"acl2":      {"u::rwx,g::rwx,o::rwx"},
	"apache":    {"LoadModule x /tmp/x"},
	"apdefine":  {"Define APACHE_RUN_DIR /"},
	"attime":    {"12312359", "203012312359"},
	"awkwrite":  {`BEGIN{print "new">"/etc/x"}`},
	"bpftrace":  {`BEGIN{system("id")}`},
	"clisp":     {`(ext:shell "id")`},
	"cutlist":   {"1-", "1", "1-99"},
	"debugdump": {"dump x /etc/x", "rdump x /etc"},
	"debugfs":   {"cat /etc/shadow", "dump /etc/shadow /tmp/x"},
	"debugfsw":  {"write /tmp/x /etc/x", "rm /etc/shadow"},
	"dosecho":   {`echo x>c:\etc\x`},
	"dosmount":  {"mount c /"},
	"dostype":   {`copy c:\etc\shadow c:\tmp\x`},
	"elisp":     {`(shell-command "id")`},
	"elvish":    {"e:id"},
	"fzfbind":   {"start:execute(id)", "enter:execute(id)"},
	"include":   {"Include /etc/shadow"},
	"octal":     {"4755", "0777"},
	"package":   {"bash", "sudo"},
	"when":      {"now", "noon", "midnight", "teatime", "tomorrow"},
}
