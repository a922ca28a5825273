package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"ironwrap/filters"
	"ironwrap/policy/review/doctor"
)

func doctorCommand() *cobra.Command {
	var format, sudoers, accepts string
	c := &cobra.Command{
		Use:                   "doctor [--format text|json] [--accepted FILE] [--sudoers FILE] SERVICE|CONFIG",
		DisableFlagsInUseLine: true,
		Short:                 "tell whether a service is really behind ironwrap on this machine",
		Long: `Doctor looks at a service (neutron, nova, cinder; or the path of a rootwrap.conf) and
tells which program answers its root helper, through which lines of sudoers, what leads
past it, whether the policy can be used, whether the kernel has what its sandbox sections
ask for, whether the programs, the daemon and the records are as they should be, and
what was refused last. It tells what to do about each fault, and does nothing itself.

What cannot be looked at is "unknown", and then the whole is never "protected". Most of
it takes root.

Of what the service or a caller can write nothing is executed. Doctor runs cvtsudoers,
journalctl, systemctl and "--version" of ironwrap's own programs, where nobody but root
can have written them.

The first line is for monitoring. docs/doctor.md lists what is asked.

exit status: 0 protected, 1 weak (warnings only), 2 not protected, 3 cannot tell, also
after wrong use: OK, WARNING, CRITICAL and UNKNOWN of Nagios and its like.`,
		Example: `  ironwrapctl doctor neutron
  ironwrapctl doctor --format json /etc/nova/rootwrap.conf
  ironwrapctl doctor --accepted /etc/ironwrap/accepted.yaml cinder`,
		Args: func(c *cobra.Command, args []string) error { return cannotTell(c, takes("SERVICE or CONFIG")(c, args)) },
		RunE: func(c *cobra.Command, args []string) error {
			r, err := diagnose(args[0], format, sudoers, accepts)
			if err == nil {
				err = printDiagnosis(c.OutOrStdout(), r, format)
			}
			if err != nil {
				return cannotTell(c, err)
			}
			if v := r.Verdict(); v != doctor.Protected {
				return status(v)
			}
			return nil
		},
	}
	c.Flags().StringVar(&format, "format", "text", "how to print: text or json")
	c.Flags().StringVar(&accepts, "accepted", "", "what `FILE` accepts of check's findings does not count")
	c.Flags().StringVar(&sudoers, "sudoers", "", "the sudoers file to look at, instead of /etc/sudoers")
	c.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return cannotTell(c, badFlag(err)) })
	words(c, "format", "text", "json")
	return c
}

// cannotTell makes of an error, if it is one, what monitoring does not take for an alarm.
func cannotTell(c *cobra.Command, err error) error {
	if err == nil {
		return nil
	}
	fmt.Fprintln(c.ErrOrStderr(), "ironwrapctl:", err)
	return status(doctor.CannotTell)
}

// serviceName is what a service may be called: it becomes part of paths and of the name
// of a unit.
var serviceName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,31}$`)

// target is the service and the configuration that an argument means.
func target(arg string) (service, config string, err error) {
	service, config = arg, "/etc/"+arg+"/rootwrap.conf"
	if strings.Contains(arg, "/") {
		if config, err = filepath.Abs(arg); err != nil {
			return "", "", err
		}
		service = filepath.Base(filepath.Dir(config))
	}
	if !serviceName.MatchString(service) {
		return "", "", fmt.Errorf("%s is no name of a service: name one, such as neutron, or a configuration, such as /etc/neutron/rootwrap.conf", filters.Show(service))
	}
	return service, config, nil
}

func diagnose(arg, format, sudoers, accepts string) (doctor.Report, error) {
	if format != "text" && format != "json" {
		return doctor.Report{}, fmt.Errorf("format %q is neither text nor json", format)
	}
	if sudoers == "none" {
		return doctor.Report{}, errors.New("--sudoers none would hide what leads past ironwrap")
	}
	service, config, err := target(arg)
	if err != nil {
		return doctor.Report{}, err
	}
	beside, err := readSudoers(sudoers, nil)
	if err != nil {
		return doctor.Report{}, err
	}
	risks, err := readAccepted(accepts)
	if err != nil {
		return doctor.Report{}, err
	}
	return doctor.Examine(host{facts{profiles: profiles{}, sudoers: beside, accepted: risks}}, service, config), nil
}

// diagnosisJSON is the report in the shape that scripts rely on.
type diagnosisJSON struct {
	Version int               `json:"version"`
	Service filters.Untrusted `json:"service"`
	Config  filters.Untrusted `json:"config"`
	Verdict string            `json:"verdict"` // protected, weak, not protected, cannot tell
	Status  int               `json:"status"`  // the exit status
	Count   stateCount        `json:"count"`
	Answers []answerJSON      `json:"answers"`
}

type stateCount struct {
	Problem int `json:"problem"`
	Warning int `json:"warning"`
	Unknown int `json:"unknown"`
}

type answerJSON struct {
	Topic string `json:"topic"`
	ID    string `json:"id"`
	State string `json:"state"` // ok, note, warning, problem, unknown
	Text  string `json:"text"`
	Do    string `json:"do"` // "" for nothing
}

func printDiagnosis(w io.Writer, r doctor.Report, format string) error {
	if format == "text" {
		diagnosisText(w, r, colours(w))
		return nil
	}
	j := diagnosisJSON{
		Version: 1, Service: filters.Untrusted(r.Service), Config: filters.Untrusted(r.Config), Verdict: r.Verdict().String(), Status: int(r.Verdict()),
		Count: stateCount{r.Count(doctor.Problem), r.Count(doctor.Warning), r.Count(doctor.Unknown)},
	}
	for _, a := range r.Answers {
		j.Answers = append(j.Answers, answerJSON{a.Topic, a.ID, a.State.String(), a.Text, a.Do})
	}
	return writeJSON(w, j)
}

// diagnosisText prints the verdict, and the answers by topic.
func diagnosisText(w io.Writer, r doctor.Report, ink ink) {
	fmt.Fprintf(w, "%s: %s: %s, %s, %d not assessed\n", filters.Show(r.Service), ink.bold(r.Verdict().String()),
		many(r.Count(doctor.Problem), "problem"), many(r.Count(doctor.Warning), "warning"), r.Count(doctor.Unknown))
	topic := ""
	for _, a := range r.Answers {
		if a.Topic != topic {
			topic = a.Topic
			fmt.Fprintf(w, "\n%s\n", ink.bold(topic))
		}
		state := fmt.Sprintf("%-8s", a.State)
		for i, line := range wrap(a.Text, 88) {
			if i > 0 {
				state = blank(state)
			}
			fmt.Fprintf(w, "  %s %s\n", ink.paint(stateColour[a.State], state), line)
		}
		if a.Do != "" {
			fmt.Fprintf(w, "           do: %s\n", a.Do) // on one line, to be copied
		}
	}
}

var stateColour = map[doctor.State]int{doctor.Unknown: 35, doctor.Fine: 32, doctor.Note: 36, doctor.Warning: 33, doctor.Problem: 31}
