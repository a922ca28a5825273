package programs

// storageAF are programs from a to f. Where the program is in Debian 12 its options were taken
// from its own table of them, else from its manual.
var storageAF = []Program{
	{Names: "badblocks", Short: "b:d:e:fi:o:svwnc:p:h:t:BX"},
	{Names: "blkdiscard", Short: "hfVsvo:l:p:z", Long: "help version offset= force length= step= secure verbose zeroout", Same: "h=help V=version o=offset f=force l=length p=step s=secure v=verbose z=zeroout"},
	{Names: "blkid", Short: "c:DdgH:hilL:n:ko:O:ps:S:t:u:U:w:Vv", Long: "cache-file= no-encoding no-part-details garbage-collect output= list-filesystems match-tag= match-token= list-one label= uuid= probe hint= info size= offset= usages= match-types= version help", Same: "c=cache-file d=no-encoding D=no-part-details g=garbage-collect o=output k=list-filesystems s=match-tag t=match-token l=list-one L=label U=uuid p=probe H=hint i=info S=size O=offset u=usages n=match-types V=version h=help"},
	{Names: "cfdisk", Short: "L::hVzr", Long: "color[=] lock[=] help version zero read-only", Same: "L=color h=help V=version z=zero r=read-only"},
	{Names: "cgdisk", Short: "ah"},
	{Names: "cryptsetup", Short: "Vvd:yc:h:s:S:b:o:p:i:l:T:t:M:rq", Long: "help usage version verbose debug debug-json active-name= align-payload= allow-discards batch-mode cancel-deferred cipher= decrypt deferred device-size= disable-blkid disable-external-tokens disable-keyring disable-locks disable-veracrypt dump-json-metadata dump-master-key dump-volume-key encrypt external-tokens-path= force-no-keyslots force-offline-reencrypt force-password hash= header= header-backup-file= hotzone-size= init-only integrity= integrity-legacy-padding integrity-no-journal integrity-no-wipe iter-time= iv-large-sectors json-file= keep-key key-description= key-file= key-size= key-slot= keyfile-offset= keyfile-size= keyslot-cipher= keyslot-key-size= label= luks2-keyslots-size= luks2-metadata-size= volume-key-file= master-key-file= new-keyfile= new-keyfile-offset= new-keyfile-size= offset= pbkdf= pbkdf-force-iterations= pbkdf-memory= pbkdf-parallel= perf-high_priority perf-no_read_workqueue perf-no_write_workqueue perf-same_cpu_crypt perf-submit_from_crypt_cpus persistent priority= progress-frequency= progress-json readonly reduce-device-size= refresh resilience= resilience-hash= resume-only sector-size= serialize-memory-hard-pbkdf shared size= skip= subsystem= tcrypt-backup tcrypt-hidden tcrypt-system test-args test-passphrase timeout= token-id= token-only token-replace token-type= tries= type= unbound use-random use-urandom uuid= veracrypt veracrypt-pim= veracrypt-query-pim verify-passphrase"},
	{Names: "debugfs", Style: POSIX, Short: "b:d:f:iDwcR:s:Vz:n"},
	{Names: "dmsetup", Short: "cCfG:hj:m:M:no:O:rS:u:U:vy", Long: "readonly alias= alldevices allprograms allregions area areas= areasize= bounds= checks clear columns concise count= deferred select= exec= filemap follow= force foreground gid= group groupid= help histogram inactive interval= length= manglename= major= minor= mode= nameprefixes nogroup noflush noheadings nolockfs noopencount nosuffix notable notimesuffix udevcookie= nomonitor noudevrules noudevsync options= precise programid= raw readahead= region regions= regionid= relative retry rows segments separator= setuuid showkeys sort= start= table= target= tree uid= units= uuid= unbuffered unquoted userdata= verbose= verifyudev version yes addnodeonresume addnodeoncreate"},
	{Names: "dosfsck", Short: "AaDd:fF:lnprtSu:U:vVwybc:h"},
	{Names: "dosfslabel fatlabel", Short: "irc:hV"},
	{Names: "drbdadm", Style: POSIX, Short: "hdcf:sS:t:VvW:mn"},
	{Names: "dumpe2fs", Style: POSIX, Short: "bfghimxVo:"},
	{Names: "e2fsck", Style: POSIX, Short: "panyrcC:B:dE:fvtFVM:b:I:j:P:l:L:N:SsDkz:"},
	{Names: "e2image", Style: POSIX, Short: "b:B:nrsIQafo:O:pc"},
	{Names: "exportfs", Style: POSIX, Short: "ad:fhio:ruvs"},
	{Names: "fdformat", Short: "f:t:r:nhV", Long: "from= to= repair= no-verify help version"},
	{Names: "fdisk", Short: "b:Bc::C:hH:lL::no:sS:t:u::vVw:W:x", Long: "bytes color[=] compatibility[=] cylinders= heads= sectors= getsz help list list-details lock[=] noauto-pt sector-size= type= units[=] version output= protect-boot wipe= wipe-partitions=", Same: "L=color c=compatibility C=cylinders H=heads S=sectors s=getsz h=help l=list x=list-details n=noauto-pt b=sector-size t=type u=units V=version o=output B=protect-boot w=wipe W=wipe-partitions"},
	{Names: "findmnt", Short: "AabCcDd:ehiJfF:o:O:p::PklmM:nN:rst:uvRS:T:Uw:Vxy", Long: "all ascii bytes canonicalize direction= df evaluate first-only fstab help invert json kernel list mountpoint= mtab noheadings notruncate options= output= output-all poll[=] pairs raw types= nocanonicalize nofsroot submounts source= tab-file= task= target= timeout= uniq verify version shell verbose tree real pseudo vfs-all shadowed", Same: "F=tab-file t=types o=output O=options S=source T=target N=task"},
	{Names: "fsadm", Short: "efhlnvy", Long: "force verbose ext-offline yes dry-run lvresize cryptresize help", Same: "h=help v=verbose e=ext-offline f=force n=dry-run l=lvresize y=yes"},
	{Names: "fsfreeze", Short: "hfuV", Long: "help freeze unfreeze version", Same: "h=help f=freeze u=unfreeze V=version"},
	{Names: "fstrim", Short: "AahI:l:m:no:Vv", Long: "all fstab help listed-in= version offset= length= minimum= verbose quiet-unsupported dry-run", Same: "a=all A=fstab h=help I=listed-in V=version o=offset l=length m=minimum v=verbose n=dry-run"},
	{Names: "fusermount fusermount3", Short: "huo:Vzq"},
}
