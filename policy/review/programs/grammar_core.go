package programs

// coreGrammars are of programs that every machine has.
var coreGrammars = []Program{
	{Names: "cp", Short: "abdfHilLnPpRrst:S:TuvxZ", Long: "archive attributes-only backup[=] copy-contents debug dereference force interactive keep-directory-symlink link no-clobber no-dereference no-preserve= no-target-directory one-file-system parents preserve[=] recursive reflink[=] remove-destination sparse= strip-trailing-slashes suffix= symbolic-link target-directory= update[=] verbose context[=] help version", Same: "t=target-directory S=suffix"},
	{Names: "dd", Style: Assignments, Long: "bs= cbs= conv= count= ibs= if= iflag= iseek= obs= of= oflag= oseek= seek= skip= status="},
	{Names: "rm", Short: "dfiIrRv", Long: "force interactive[=] one-file-system no-preserve-root preserve-root[=] presume-input-tty recursive dir verbose help version", Same: "f=force r=recursive"},
	{Names: "tee", Short: "aip", Long: "append ignore-interrupts output-error[=] help version", Same: "a=append"},
}
