package profiles

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// MilliCPU is processor time in thousandths of a processor: 1, 0.5, 500m.
type MilliCPU int64

const cpuHint = "write processors with at most three decimals, or thousandths with m: 2, 0.5, 500m"

// ParseMilliCPU reads processors ("2", "0.5", "1.25") or thousandths of one
// ("500m"). Finer parts than a thousandth are an error, not rounded.
func ParseMilliCPU(text string) (MilliCPU, error) {
	number, milli := strings.CutSuffix(text, "m")
	value, ok := decimal(number)
	if !ok || (milli && !value.IsInt()) {
		return 0, badScalar("number of processors", text, cpuHint)
	}
	if !milli {
		value.Mul(value, big.NewRat(1000, 1))
	}
	if !value.IsInt() {
		return 0, badScalar("number of processors in thousandths", text, cpuHint)
	}
	if !value.Num().IsInt64() || value.Num().Int64() > math.MaxInt32 {
		return 0, badScalar("number of processors that a machine can have", text, cpuHint)
	}
	return MilliCPU(value.Num().Int64()), nil
}

// String writes processors as a decimal number: 1, 0.5, 1.25.
func (c MilliCPU) String() string {
	whole, part := int64(c)/1000, int64(c)%1000
	if part == 0 || c < 0 {
		return strconv.FormatFloat(float64(c)/1000, 'f', -1, 64)
	}
	return strings.TrimRight(fmt.Sprintf("%d.%03d", whole, part), "0")
}

// MarshalText implements encoding.TextMarshaler.
func (c MilliCPU) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *MilliCPU) UnmarshalText(text []byte) (err error) {
	*c, err = ParseMilliCPU(string(text))
	return err
}
