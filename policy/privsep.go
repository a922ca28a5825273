package policy

// privsepContexts are the contexts that OpenStack's services and libraries
// define, by the dotted names that they give to privsep-helper.
var privsepContexts = []string{
	"cinder.privsep.sys_admin_pctxt",
	"nova.privsep.sys_admin_pctxt",
	"os_brick.privileged.default",
}
