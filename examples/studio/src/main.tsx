import "@fontsource-variable/instrument-sans/standard.css"
import "@fontsource-variable/sometype-mono/wght.css"
import "./styles/studio.css"
import { render } from "preact"
import { findAbilities } from "./abilities.ts"
import { App } from "./parts/app.tsx"

render(<App />, document.body)
void findAbilities()
