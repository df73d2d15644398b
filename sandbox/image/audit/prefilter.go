package audit

import "bytes"

// candidate is a literal of a shape.
type candidate struct {
	literal []byte
	shape   int
}

// pairs index candidates by the first two bytes of their literals, so that a
// text is gone through once: expressions alone are a hundred times slower.
var pairs, candidates = indexShapes()

func indexShapes() (*[1 << 16]uint8, [][]candidate) {
	var index [1 << 16]uint8
	lists := [][]candidate{nil} // 0 is none
	for i, s := range shapes {
		for _, literal := range s.literals {
			at := &index[int(literal[0])<<8|int(literal[1])]
			if *at == 0 {
				*at = uint8(len(lists))
				lists = append(lists, nil)
			}
			lists[*at] = append(lists[*at], candidate{[]byte(literal), i})
		}
	}
	return &index, lists
}

// shapesIn finds the shapes that a text may have.
func shapesIn(b []byte) []*shape {
	var present []bool
	for i := 0; i+1 < len(b); i++ {
		list := pairs[int(b[i])<<8|int(b[i+1])]
		if list == 0 {
			continue
		}
		for _, c := range candidates[list] {
			if bytes.HasPrefix(b[i:], c.literal) {
				if present == nil {
					present = make([]bool, len(shapes))
				}
				present[c.shape] = true
			}
		}
	}
	var found []*shape
	for i, there := range present {
		if there {
			found = append(found, &shapes[i])
		}
	}
	return found
}
