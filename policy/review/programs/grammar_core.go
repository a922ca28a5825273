package programs

// coreGrammars are of programs that every machine has.
var coreGrammars = []Program{
	{Names: "sh dash ash", Style: POSIX, Short: "aceCfhiIlmno:pqsuvVxbEO:t", Whole: true},
	{Names: "bash", Style: POSIX, Short: "aceCfhiklmno:prstuvxBDEHPTO:", Long: "debug debugger dump-po-strings dump-strings help init-file= login noediting noprofile norc posix pretty-print protected rcfile= restricted verbose version wordexp", Whole: true},
	{Names: "python python3 pypy", Style: POSIX, Short: "bBc:dEhiIm:OPqsSuvVW:xX:?", Long: "check-hash-based-pycs= help help-all help-env help-xoptions version", Same: "?=help", Whole: true},
	{Names: "cat", Short: "AbeEnstTuv", Long: "number-nonblank number show-all show-nonprinting show-ends show-tabs squeeze-blank help version", Same: "A=show-all b=number-nonblank E=show-ends n=number s=squeeze-blank T=show-tabs v=show-nonprinting"},
	{Names: "chmod", Short: "RcfvHLPrwxXstugoa01234567", Long: "changes recursive no-preserve-root preserve-root quiet reference= silent verbose dereference no-dereference help version", Same: "c=changes f=silent v=verbose R=recursive"},
	{Names: "chown", Short: "HLPRcfhv", Long: "recursive changes dereference from= no-dereference no-preserve-root preserve-root quiet silent reference= verbose help version", Same: "R=recursive h=no-dereference"},
	{Names: "chgrp", Short: "HLPRcfhv", Long: "recursive changes dereference from= no-dereference no-preserve-root preserve-root quiet silent reference= verbose help version", Same: "R=recursive h=no-dereference"},
	{Names: "cp", Short: "abdfHilLnPpRrst:S:TuvxZ", Long: "archive attributes-only backup[=] copy-contents debug dereference force interactive keep-directory-symlink link no-clobber no-dereference no-preserve= no-target-directory one-file-system parents preserve[=] recursive reflink[=] remove-destination sparse= strip-trailing-slashes suffix= symbolic-link target-directory= update[=] verbose context[=] help version", Same: "t=target-directory S=suffix"},
	{Names: "dd", Style: Assignments, Long: "bs= cbs= conv= count= ibs= if= iflag= iseek= obs= of= oflag= oseek= seek= skip= status="},
	{Names: "find", Style: Plain}, // its expression counts by the order
	{Names: "ln", Short: "bdfFiLnPrsS:t:Tv", Long: "backup[=] directory no-dereference no-target-directory force interactive suffix= target-directory= logical physical relative symbolic verbose help version", Same: "s=symbolic t=target-directory f=force n=no-dereference S=suffix"},
	{Names: "mv", Short: "bfinS:t:TuvZ", Long: "backup[=] context debug exchange force interactive no-clobber no-copy no-target-directory strip-trailing-slashes suffix= target-directory= update[=] verbose help version", Same: "t=target-directory S=suffix"},
	{Names: "rm", Short: "dfiIrRv", Long: "force interactive[=] one-file-system no-preserve-root preserve-root[=] presume-input-tty recursive dir verbose help version", Same: "f=force r=recursive"},
	{Names: "sysctl", Short: "neNwfp::qoxaAXr:VdhbS", Long: "all deprecated dry-run values load[=] names pattern= system values write quiet ignore help version binary", Same: "w=write p=load"},
	{Names: "tee", Short: "aip", Long: "append ignore-interrupts output-error[=] help version", Same: "a=append"},
	{Names: "usermod", Short: "abc:d:e:f:g:G:hl:Lmop:rR:P:s:u:Uv:V:w:W:Z:", Long: "append badname comment= home= expiredate= inactive= gid= groups= help login= lock move-home non-unique password= remove root= prefix= shell= uid= unlock add-subuids= del-subuids= add-subgids= del-subgids= selinux-user= badnames", Same: "a=append G=groups g=gid l=login d=home p=password s=shell u=uid"},
}
