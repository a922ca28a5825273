package programs

// prefixGrammars are of programs that run the command that is in their operands.
var prefixGrammars = []Program{
	{Names: "env", Style: Environment, Short: "iu:0C:S:v", Long: "ignore-environment unset= null chdir= split-string= debug block-signal[=] default-signal[=] ignore-signal[=] list-signal-handling help version", Same: "i=ignore-environment u=unset 0=null C=chdir S=split-string v=debug"},
	{Names: "nice", Style: Prefix, Short: "n:0::1::2::3::4::5::6::7::8::9::", Long: "adjustment= help version", Same: "n=adjustment"},
	{Names: "setsid", Style: Prefix, Short: "cfwVh", Long: "ctty fork wait help version"},
	{Names: "timeout", Style: Prefix, Short: "fk:s:vp", Long: "foreground kill-after= preserve-status signal= verbose help version", Same: "k=kill-after s=signal f=foreground v=verbose p=preserve-status"},
	{Names: "stdbuf", Style: Prefix, Short: "i:o:e:", Long: "input= output= error= help version", Same: "i=input o=output e=error"},
	{Names: "ionice", Style: Prefix, Short: "c:n:p:P:u:tVh", Long: "class= classdata= pid= pgid= uid= ignore help version", Same: "c=class n=classdata p=pid P=pgid u=uid t=ignore"},
	{Names: "chrt", Style: Prefix, Short: "abdfiorRT:P:D:mpvVh", Long: "all-tasks batch deadline fifo idle other rr reset-on-fork sched-runtime= sched-period= sched-deadline= max pid verbose help version", Same: "T=sched-runtime P=sched-period D=sched-deadline p=pid m=max"},
	{Names: "taskset", Style: Prefix, Short: "apchV", Long: "all-tasks pid cpu-list help version", Same: "a=all-tasks p=pid c=cpu-list"},
	{Names: "chroot", Style: Prefix, Long: "groups= userspec= skip-chdir help version"},
	{Names: "setpriv", Style: Prefix, Short: "dhV", Long: "ambient-caps= apparmor-profile= bounding-set= clear-groups dump groups= inh-caps= init-groups keep-groups landlock-access= landlock-rule= list-caps no-new-privs nnp pdeathsig= ptracer= regid= reset-env reuid= rgid= ruid= securebits= seccomp-filter= selinux-label= egid= euid= help version"},
	{Names: "nsenter", Style: Prefix, Short: "aht:m::u::i::n::p::C::U::T::S:G:r::w::W:FZeNVc", Long: "all target= mount[=] uts[=] ipc[=] net[=] net-socket= pid[=] cgroup[=] user[=] user-parent time[=] setuid= setgid= preserve-credentials keep-caps root[=] wd[=] wdns= env no-fork follow-context join-cgroup help version", Same: "a=all t=target m=mount u=uts i=ipc n=net p=pid C=cgroup U=user T=time S=setuid G=setgid r=root w=wd W=wdns"},
	{Names: "setarch", Style: Prefix, Lead: 1, Short: "BFILRSTXZ3vhVp:", Long: "32bit fdpic-funcptrs short-inode addr-compat-layout addr-no-randomize whole-seconds sticky-timeouts read-implies-exec mmap-page-zero 3gb 4gb uname-2.6 verbose list show[=] pid= help version"},
	{Names: "linux32 linux64", Style: Prefix, Short: "BFILRSTXZ3vhVp:", Long: "32bit fdpic-funcptrs short-inode addr-compat-layout addr-no-randomize whole-seconds sticky-timeouts read-implies-exec mmap-page-zero 3gb 4gb uname-2.6 verbose list show[=] pid= help version"},
	{Names: "time", Style: Prefix, Short: "apqvVhf:o:", Long: "append format= help output= portability quiet verbose version", Same: "a=append f=format o=output p=portability q=quiet v=verbose"},
	{Names: "choom", Style: Prefix, Short: "n:p:hV", Long: "adjust= pid= help version", Same: "n=adjust p=pid"},
	{Names: "xargs", Style: Prefix, Short: "0a:E:e::i::I:l::L:n:P:prs:txod:", Long: "null arg-file= delimiter= eof[=] replace[=] max-lines[=] max-args= max-procs= interactive no-run-if-empty max-chars= verbose exit open-tty process-slot-var= show-limits help version", Same: "0=null a=arg-file n=max-args P=max-procs p=interactive r=no-run-if-empty s=max-chars t=verbose x=exit"},
	{Names: "strace", Style: Prefix, Short: "a:Ab:cCdDe:E:fFhiI:kno:O:p:P:qrs:S:tTu:U:vVwxX:yYzZ", Long: "output= trace-path= attach= env= string-limit= columns= summary summary-only follow-forks output-append-mode detach-on= user= seccomp-bpf trace= inject= fault= signal= status= abbrev= verbose= raw= quiet[=] help version debug daemonize[=] daemonised[=] daemonized[=] output-separately instruction-pointer interruptible= stack-traces syscall-number summary-syscall-overhead= relative-timestamps[=] summary-sort-by= absolute-timestamps[=] timestamps[=] syscall-times[=] summary-columns= no-abbrev summary-wall-clock strings-in-hex[=] const-print-style= pidns-translation successful-only failed-only failing-only tips[=] signals= read= write= kvm= silent[=] silence[=] decode-fds[=] decode-pids= secontext[=]", Same: "o=output P=trace-path p=attach E=env s=string-limit A=output-append-mode f=follow-forks u=user"},
	{Names: "sudo", Style: Environment, Short: "AbBC:D:Eeg:HhiKklnPp:R:r:ST:t:U:u:vVsa:c:N", Long: "askpass background bell close-from= chdir= preserve-env[=] edit group= set-home help host= login remove-timestamp reset-timestamp list non-interactive preserve-groups prompt= chroot= role= stdin command-timeout= type= other-user= user= version validate shell auth-type= login-class= no-update", Same: "u=user g=group C=close-from D=chdir R=chroot p=prompt"},
	{Names: "doas", Style: Prefix, Short: "C:Lnsu:", Whole: true},
	{Names: "cgexec", Style: Prefix, Short: "g:hr", Long: "sticky help"},
	{Names: "ltrace", Style: Prefix, Short: "a:A:bcCD:e:fF:hil:L:n:o:p:rs:StTu:Vw:x:", Long: "align= config= demangle help indent= library= output= where= version no-signals", Same: "o=output F=config"},
	{Names: "eatmydata gosu", Style: Prefix},
}
