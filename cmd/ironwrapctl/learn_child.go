package main

import (
	"errors"
	"fmt"
	"os"
	osexec "os/exec"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/spf13/cobra"

	"ironwrap/exec"
	"ironwrap/exec/audit"
	"ironwrap/exec/launch"
	"ironwrap/filters"
	"ironwrap/sandbox/record"
)

// Learn starts this program twice again: once to become the command, and once to
// guard it. Descriptors from 3 on are handed over as they stand in ExtraFiles.

const (
	becomeName = "learn-become"
	guardName  = "learn-guard"
)

// startCommand starts what will be the command, once there is somebody who answers
// at the socket.
func startCommand(config string, argv []filters.Untrusted) (child *osexec.Cmd, socket int, err error) {
	socket, theirs, err := record.Pair()
	if err != nil {
		return nil, -1, err
	}
	end := os.NewFile(uintptr(theirs), "socket")
	defer end.Close()
	args := []string{becomeName, config}
	for _, w := range argv {
		args = append(args, w.Raw())
	}
	child = osexec.Command("/proc/self/exe", args...)
	child.Args[0] = "ironwrapctl"
	child.Stdin, child.Stdout, child.Stderr = os.Stdin, os.Stdout, os.Stderr
	child.ExtraFiles = []*os.File{end}
	// Until there is a guard. The command's own change of ids takes this away.
	child.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := child.Start(); err != nil {
		return nil, -1, fmt.Errorf("cannot start %s: %w", child.Path, err)
	}
	return child, socket, nil
}

// What becomes the command must be the leading thread.
func init() { runtime.LockOSThread() }

func learnBecomeCommand() *cobra.Command {
	return &cobra.Command{
		Use:                becomeName,
		Hidden:             true,
		DisableFlagParsing: true,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) < 2 {
				return errors.New(becomeName + " is for learn alone")
			}
			return become(args[0], filters.Words(args[1:]), 3)
		},
	}
}

// become is the executor's road, with the recorder let in before its last step.
func become(config string, argv []filters.Untrusted, socket int) error {
	caller, err := exec.Take()
	if err != nil {
		return refuse(97, "%v", err)
	}
	d, plan, err := allowed(config, argv, caller)
	if err != nil {
		return err
	}
	if plan.Signal != nil {
		return errors.New("there is no command to learn from, but a signal to send")
	}
	if err := audit.New("ironwrapctl", d.Policy, caller).Executing(d); err != nil {
		return refuse(97, "%v", err)
	}
	if err := record.Offer(socket); err != nil {
		return err
	}
	err = exec.Replace(plan)
	record.Failed(socket)
	var program *launch.ExecError
	if errors.As(err, &program) {
		return refuse(96, "Executable not found: %s (filter match = %s): %v", program.Path, filters.Untrusted(d.Filter.Name), program.Err)
	}
	return refuse(97, "%v", err)
}

// startGuard starts the process that ends the command should this one die, in a
// session of its own, where ^C does not reach it. release sends it home.
func startGuard(listener int, shared *record.Shared) (release func() error, err error) {
	theirs, ours, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	c := osexec.Command("/proc/self/exe", guardName)
	c.Args[0] = "ironwrapctl"
	c.ExtraFiles = []*os.File{os.NewFile(uintptr(listener), "listener"), theirs, shared.File}
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := c.Start(); err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", c.Path, err)
	}
	return func() error {
		_, err := ours.Write([]byte{0})
		runtime.KeepAlive(c.ExtraFiles) // closed with their last use else
		return errors.Join(err, c.Wait())
	}, nil
}

func learnGuardCommand() *cobra.Command {
	return &cobra.Command{
		Use:    guardName,
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			signal.Ignore(syscall.SIGHUP, syscall.SIGTERM, syscall.SIGINT)
			return record.Guard(3, os.NewFile(4, "recorder"), os.NewFile(5, "shared"))
		},
	}
}
