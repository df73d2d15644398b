package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/safe-run/safe-run/sandbox/runc"
)

func (a *app) eventsVerb() *verb {
	interval, once := time.Duration(0), false
	return &verb{
		name: "events", args: "<container-id>", least: 1, most: 1,
		usage: "display container events such as OOM notifications, cpu, memory, and IO usage statistics",
		declare: func(f *flags) {
			f.duration(&interval, "interval", 5*time.Second, "set the stats collection interval")
			f.bool(&once, "stats", "display the container's stats then exit")
		},
		run: a.on(func(container *runc.Bundle) error {
			if interval <= 0 {
				return errors.New("duration interval must be greater than 0")
			}
			status, err := container.Status()
			if err != nil {
				return err
			}
			if status == runc.Stopped {
				return fmt.Errorf("container with id %s is not running", container.ID())
			}
			if once {
				return a.tellStats(container)
			}
			return a.follow(container, interval)
		}),
	}
}

// follow tells of the container until it ends.
func (a *app) follow(container *runc.Bundle, interval time.Duration) error {
	oom, err := container.OOM()
	if err != nil {
		return err
	}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case _, more := <-oom:
			if !more {
				return nil
			}
			if err := a.tell(runc.BundleEvent{Type: "oom", ID: container.ID()}); err != nil {
				return err
			}
		case <-ticker.C:
			if err := a.tellStats(container); err != nil {
				logrus.Error(err)
			}
		}
	}
}

func (a *app) tellStats(container *runc.Bundle) error {
	stats, err := container.Stats()
	if err != nil {
		return err
	}
	return a.tell(runc.BundleEvent{Type: "stats", ID: container.ID(), Data: stats})
}

func (a *app) tell(event runc.BundleEvent) error {
	return json.NewEncoder(a.std.Out).Encode(event)
}
