package exposure

// harmlessAF are programs from a to f that give away next to nothing, whatever their
// arguments, and why.
var harmlessAF = gather(map[string]string{
	"it shows the firewall":                                                   "arptables-save arptables-nft-save ebtables-save ebtables-legacy-save ebtables-nft-save",
	"it shows a few numbers of a block device":                                "bcache-super-show",
	"it prints a calendar, and reads no file":                                 "cal",
	"it shows another of the machine's screens":                               "chvt",
	"it changes what it reads, and opens no file":                             "col colrm",
	"it prints answers that packages were set up with, without the passwords": "debconf-show",
	"it tells how long a lease lasts":                                         "dhcp_lease_time",
	"it tells names, sizes and dates of files, and no more":                   "dir",
	"it puts variables into what it reads, and opens no file":                 "envsubst",
	"it computes with its words, and opens no file":                           "expr factor",
	"it orders the blocks of files, and changes nothing in them":              "e4defrag e2freefrag",
	"it tells of fonts":                                                       "fc-list fc-match",
	"it tells the name of a disk":                                             "findfs",
})
