package kubernetes

import "github.com/safe-run/safe-run/spec/export"

// lack notes a loss, with the place of the setting.
func (x *exporter) lack(l export.Loss) {
	if l.Origin == "" {
		l.Origin = x.place(l.Setting)
	}
	x.losses = append(x.losses, l)
}

// lose notes what the manifests do not say, in the order of the profile.
func (x *exporter) lose() {
	x.loseNetwork()
	x.losePorts()
	x.loseHealth()
}
