package seccomp

// RefuseNewer is what libcontainer puts before every filter that it loads: calls
// of this architecture above last, the greatest number that the filter names,
// fail with ENOSYS. Ours fail so in any case.
func RefuseNewer(arch string, last uint32) []Instruction {
	section := []Instruction{{Code: loadWord, K: atNumber}}
	if arch == "amd64" {
		section = append(section, Instruction{Code: jumpBits, JT: 1, K: x32Bit})
	}
	section = append(section,
		Instruction{Code: jumpGreater, JT: 2, K: last},
		Instruction{Code: jumpAlways, K: 2},
		Instruction{Code: jumpAlways, K: 1},
		Instruction{Code: ret, K: retErrno | enosys},
	)
	return append([]Instruction{
		{Code: loadWord, K: atArch},
		{Code: jumpEqual, JT: 1, K: auditArch[arch]},
		{Code: jumpAlways, K: uint32(len(section))},
	}, section...)
}
