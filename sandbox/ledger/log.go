package ledger

// The limits of a log, as docker's json-file driver has them at most places.
const (
	DefaultLogSize  = 10 << 20
	DefaultLogFiles = 3
	// maxLogFiles bounds what one can ask for.
	maxLogFiles = 1000
)

// orDefault fills in what is not said.
func (l LogLimit) orDefault() LogLimit {
	if l.Size <= 0 {
		l.Size = DefaultLogSize
	}
	if l.Files <= 0 || l.Files > maxLogFiles {
		l.Files = DefaultLogFiles
	}
	return l
}
