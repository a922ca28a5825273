package exposure

import "maps"

// harmlessNZ are programs from n to z that give away next to nothing, whatever their
// arguments, and why.
var harmlessNZ = gather(map[string]string{
	"it tells names, sizes, dates or states, and no more":              "namei nproc numademo numastat nstat pathchk pinky prtstat pwd pwdx readlink realpath rtstat rtacct sadf scsi_id sg_scan sg_map sg_map26 stat slabtop tload tty ucfq uname uptime users vdir vmstat w whatis whereis which who whoami wdctl tzselect size systemd-detect-virt systemd-path systemd-cgls systemd-cgtop systemd-delta systemd-id128 systemd-escape runlevel ypdomainname nisdomainname",
	"it prints its operands, or a count":                               "printenv printf seq yes",
	"it does nothing, or waits":                                        "nologin sleep true usleep pause",
	"it computes on its standard input, which is the caller's":         "numfmt tr uconv",
	"it tells of processes, and no more":                               "pgrep pidof pidwait pmap procan ps pslog pstree",
	"it tells sums of files, which say nothing of what is not guessed": "sha1sum sha224sum sha256sum sha384sum sha512sum shasum sum",
	"it tests a file, or a text, and says yes or no":                   "test systemd-ac-power",
	"it writes what is in memory to the disks, and no more":            "sync",
	"it sets a terminal, which is the caller's":                        "reset setterm stty tabs tput tset toe",
	"it removes, or makes, empty files or directories, and no more":    "rmdir tempfile",
	"it asks a disk for what it is, and changes nothing":               "sg_inq sg_vpd sg_luns sg_logs sg_modes sg_opcodes sg_readcap sg_requests sg_rtpg sg_turs sg_get_config sg_get_elem_status sg_get_lba_status sg_referrals sg_rep_pip sg_rep_zones sg_rmsn sg_safte sg_sat_identify sg_sat_phy_event sg_sat_read_gplog sg_read_attr sg_read_block_limits sg_ident sg_verify sg_seek sg_sync scsi_mandat scsi_readcap scsi_ready scsi_satl scsi_temperature sginfo",
	"it tells of the kernel's time zones and dates":                    "zdump",
	"it prints what the library, or the package, is built with":        "pkg-config pkgconf xml2-config xslt-config nspr-config nss-config ncurses5-config ncurses6-config pg_config x86_64-linux-gnu-pkg-config",
	"it tells whether a server answers":                                "pg_isready",
	"it checks the accounts' shells and tells them":                    "validlocale",
	"it shows windows of a display, which is the caller's":             "xev xfd xfontsel xdpyinfo xdriinfo xlsatoms xlsclients xlsfonts xprop xvinfo xwininfo",
	"it checks a machine for what libvirt needs":                       "virt-host-validate virt-pki-query-dn",
	"it prints what came from a file of the kernel's alone":            "sar iostat mpstat xfs_info",
	"it names processes that use a library, of /proc alone":            "pldd",
})

// gather turns words by reason into reasons by word.
func gather(byReason map[string]string) map[string]string {
	reasons := map[string]string{}
	for reason, words := range byReason {
		for w := range maps.Keys(fieldSet(words)) {
			reasons[w] = reason
		}
	}
	return reasons
}
