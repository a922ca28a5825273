package main

import (
	"bytes"
	"image/color"
	"math"
	"os"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// The charts have their own light ground, so that they can be read on a page of either
// colour. Colours are told apart without red and green (Okabe and Ito).
var (
	ground  = color.RGBA{0xfb, 0xfb, 0xfa, 0xff}
	ink     = color.RGBA{0x33, 0x33, 0x33, 0xff}
	faint   = color.RGBA{0xdd, 0xdd, 0xdd, 0xff}
	colours = map[string]color.RGBA{
		"ironwrap": {0x00, 0x72, 0xb2, 0xff}, oursName: {0x00, 0x72, 0xb2, 0xff},
		"oslo-rootwrap": {0xd5, 0x5e, 0x00, 0xff}, peerName: {0xd5, 0x5e, 0x00, 0xff},
	}
	other = color.RGBA{0x80, 0x80, 0x80, 0xff}
)

func colourOf(name string) color.RGBA {
	if c, ok := colours[name]; ok {
		return c
	}
	return other
}

// newChart is a plot with nothing in it.
func newChart(title, x, y string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = ground
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, y
	p.Title.Padding = vg.Points(8)
	sans := func(size vg.Length) font.Font { return font.Font{Typeface: "Liberation", Variant: "Sans", Size: size} }
	p.Title.TextStyle.Font = sans(14)
	p.Legend.TextStyle.Font = sans(12)
	p.Title.TextStyle.Color, p.Legend.TextStyle.Color = ink, ink
	p.Legend.Top, p.Legend.Left, p.Legend.Padding = true, true, vg.Points(3)
	p.Legend.XOffs, p.Legend.YOffs = vg.Points(8), vg.Points(-4)
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Label.TextStyle.Font, a.Tick.Label.Font = sans(12), sans(11)
		a.Label.TextStyle.Color, a.Tick.Label.Color = ink, ink
		a.Color, a.Tick.Color = ink, ink
		a.Label.Padding = vg.Points(4)
	}
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = faint, faint
	p.Add(grid)
	return p
}

// logTicks are marks at 1, 2 and 5 times each power of ten, or, over more than three of
// them, at the powers alone.
type logTicks struct{}

func (logTicks) Ticks(low, high float64) (ticks []plot.Tick) {
	steps := []float64{1, 2, 5}
	if high/low > 2000 {
		steps = steps[:1]
	}
	for power := math.Floor(math.Log10(low)); power <= math.Ceil(math.Log10(high)); power++ {
		for _, step := range steps {
			if v := step * math.Pow(10, power); v >= low*0.999 && v <= high*1.001 {
				ticks = append(ticks, plot.Tick{Value: v, Label: grouped(v)})
			}
		}
	}
	return ticks
}

// grouped is a number with commas between thousands, and no more places than it has.
func grouped(v float64) string {
	s := strconv.FormatFloat(v, 'g', 3, 64)
	if v >= 1000 {
		s = strconv.FormatFloat(v, 'f', 0, 64)
		for i := len(s) - 3; i > 0; i -= 3 {
			s = s[:i] + "," + s[i:]
		}
	}
	return s
}

func logarithmic(a *plot.Axis, low, high float64) {
	a.Scale, a.Tick.Marker = plot.LogScale{}, logTicks{}
	a.Min, a.Max = low, high
}

// bounds are what a logarithmic axis needs to show all values.
func bounds(values []float64) (low, high float64) {
	low, high = math.Inf(1), 0
	for _, v := range values {
		if v > 0 {
			low, high = min(low, v), max(high, v)
		}
	}
	if high == 0 {
		return 1, 10
	}
	return low / 1.4, high * 1.4
}

// mark is a row of a chart of rows: a value with its quartiles.
type mark struct {
	name             string
	value, low, high float64
}

// rowChart has a dot and a line from quartile to quartile for each row, the first row on
// top, on a logarithmic axis: the slowest takes a hundred times as long as the fastest.
func rowChart(title, unit string, marks []mark) (*plot.Plot, vg.Length, error) {
	// The unit is no label of the axis: on a logarithmic axis gonum takes room for it in the
	// wrong place.
	p := newChart(title+"\n"+unit, "", "")
	var values []float64
	names := make([]string, len(marks))
	for i, m := range marks {
		y := float64(len(marks) - 1 - i)
		names[len(marks)-1-i] = m.name
		values = append(values, m.low, m.value, m.high)
		dot, err := plotter.NewScatter(plotter.XYs{{X: m.value, Y: y}})
		if err != nil {
			return nil, 0, err
		}
		dot.GlyphStyle = draw.GlyphStyle{Color: rowColour(m.name), Radius: vg.Points(4.5), Shape: draw.CircleGlyph{}}
		line, err := plotter.NewLine(plotter.XYs{{X: m.low, Y: y}, {X: m.high, Y: y}})
		if err != nil {
			return nil, 0, err
		}
		line.Color, line.Width = rowColour(m.name), vg.Points(2)
		label, err := plotter.NewLabels(plotter.XYLabels{XYs: plotter.XYs{{X: m.value, Y: y}}, Labels: []string{milliseconds(m.value)}})
		if err != nil {
			return nil, 0, err
		}
		label.TextStyle[0].Font, label.TextStyle[0].Color = font.Font{Typeface: "Liberation", Variant: "Sans", Size: 10}, ink
		label.Offset = vg.Point{X: vg.Points(-6), Y: vg.Points(6)}
		p.Add(line, dot, label)
	}
	p.NominalY(names...)
	low, high := bounds(values)
	logarithmic(&p.X, low, high)
	p.Y.Min, p.Y.Max = -0.6, float64(len(marks))-0.3
	return p, vg.Length(len(marks))*vg.Points(24) + vg.Points(80), nil
}

func rowColour(name string) color.RGBA {
	for prefix, c := range map[string]color.RGBA{"ironwrap": colours["ironwrap"], "sudo ironwrap": colours["ironwrap"], "setuid ironwrap": colours["ironwrap"],
		"oslo-rootwrap": colours["oslo-rootwrap"], "sudo oslo-rootwrap": colours["oslo-rootwrap"]} {
		if len(name) >= len(prefix) && name[:len(prefix)] == prefix {
			return c
		}
	}
	return other
}

// lineChart has a line for each curve, both axes logarithmic.
func lineChart(title, x, y string, curves []curve, of func(point) float64) (*plot.Plot, error) {
	p := newChart(title, x, y)
	var xs, ys []float64
	for _, c := range curves {
		var xys plotter.XYs
		for _, at := range c.Points {
			if v := of(at); v > 0 {
				xys = append(xys, plotter.XY{X: at.X, Y: v})
				xs, ys = append(xs, at.X), append(ys, v)
			}
		}
		if len(xys) == 0 {
			continue
		}
		line, dots, err := plotter.NewLinePoints(xys)
		if err != nil {
			return nil, err
		}
		line.Color, line.Width = colourOf(c.Name), vg.Points(2)
		dots.GlyphStyle = draw.GlyphStyle{Color: colourOf(c.Name), Radius: vg.Points(3.5), Shape: shapeOf(c.Name)}
		p.Add(line, dots)
		p.Legend.Add(c.Name, line, dots)
	}
	low, high := bounds(xs)
	logarithmic(&p.X, low, high)
	low, high = bounds(ys)
	// Room for the legend, and at least a power of ten, so that noise is not a mountain.
	logarithmic(&p.Y, low, max(high*3, low*10))
	return p, nil
}

func shapeOf(name string) draw.GlyphDrawer {
	switch colourOf(name) {
	case colours["ironwrap"]:
		return draw.CircleGlyph{}
	case other:
		return draw.PyramidGlyph{}
	}
	return draw.BoxGlyph{}
}

// barChart has a group of bars for each number of clients.
func barChart(title, y string, groups []string, names []string, values map[string]plotter.Values) (*plot.Plot, error) {
	p := newChart(title, "clients", y)
	width := vg.Points(26)
	top := 0.0
	for i, name := range names {
		bars, err := plotter.NewBarChart(values[name], width)
		if err != nil {
			return nil, err
		}
		bars.Color, bars.LineStyle.Width = colourOf(name), 0
		bars.Offset = width * vg.Length(float64(i)-float64(len(names)-1)/2)
		p.Add(bars)
		p.Legend.Add(name, bars)
		top = max(top, slices.Max(values[name]))
		label := plotter.XYLabels{}
		for x, v := range values[name] {
			label.XYs = append(label.XYs, plotter.XY{X: float64(x), Y: v})
			label.Labels = append(label.Labels, grouped(math.Round(v)))
		}
		numbers, err := plotter.NewLabels(label)
		if err != nil {
			return nil, err
		}
		for j := range numbers.TextStyle {
			numbers.TextStyle[j].Font, numbers.TextStyle[j].Color = font.Font{Typeface: "Liberation", Variant: "Sans", Size: 10}, ink
			numbers.TextStyle[j].XAlign = draw.XCenter
		}
		numbers.Offset = vg.Point{X: bars.Offset, Y: vg.Points(3)}
		p.Add(numbers)
	}
	p.NominalX(groups...)
	p.X.Min, p.X.Max = -0.5, float64(len(groups))-0.5
	p.Y.Min, p.Y.Max = 0, top*1.35
	p.Y.Tick.Marker = plot.TickerFunc(func(low, high float64) (ticks []plot.Tick) {
		step := math.Pow(10, math.Floor(math.Log10(high/2)))
		for high/step > 6 {
			step *= 2
		}
		for v := 0.0; v <= high; v += step {
			ticks = append(ticks, plot.Tick{Value: v, Label: grouped(v)})
		}
		return ticks
	})
	return p, nil
}

// save writes a chart. A viewer that lacks the font takes another one without serifs.
func save(p *plot.Plot, height vg.Length, path string) error {
	canvas := vgsvg.New(vg.Points(640), height)
	canvas.SetColor(ground)
	canvas.Fill(vg.Rectangle{Max: vg.Point{X: vg.Points(640), Y: height}}.Path())
	p.Draw(draw.Crop(draw.New(canvas), vg.Points(10), vg.Points(-16), vg.Points(8), vg.Points(-10)))
	var text bytes.Buffer
	if _, err := canvas.WriteTo(&text); err != nil {
		return err
	}
	svg := bytes.ReplaceAll(text.Bytes(), []byte("font-family:Liberation Sans;"), []byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif;"))
	return os.WriteFile(path, svg, 0o644)
}
