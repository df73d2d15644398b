package cli

import (
	"slices"
	"strings"
	"time"
)

// psLine is a container of ps in docker's names, for templates.
type psLine struct {
	ID         string `head:"CONTAINER ID"`
	Image      string
	Command    string
	CreatedAt  string `head:"CREATED AT"`
	RunningFor string `head:"CREATED"`
	Ports      string
	State      string
	Status     string
	Names      string
	Labels     string
	Mounts     string
	Profile    string

	labels map[string]string
}

// Label is the value of one label, for {{.Label "name"}}.
func (l psLine) Label(name string) string { return l.labels[name] }

// psLines turns rows into what templates see; id shortens ids, or does not.
func psLines(rows []row, o psOptions, id func(string) string) []psLine {
	var lines []psLine
	for _, r := range rows {
		l := psLine{
			ID: id(r.ID), Image: r.Image, Command: quoteCommand(r.Command, o.whole), Names: r.Name, Profile: r.Profile,
			CreatedAt: r.Created.Local().Format("2006-01-02 15:04:05 -0700 MST"), RunningFor: age(time.Since(r.Created)) + " ago",
			Ports: strings.Join(r.Ports, ", "), Mounts: strings.Join(r.Mounts, ","), State: string(r.Status), Status: r.describe(), labels: r.Labels,
		}
		var labels []string
		for name, value := range r.Labels {
			labels = append(labels, name+"="+value)
		}
		slices.Sort(labels)
		l.Labels = strings.Join(labels, ",")
		lines = append(lines, l)
	}
	return lines
}
