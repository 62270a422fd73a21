// Node's undici: `request` in a loop over prepared bodies, which no reading, checking or reporting slows down.
//   node undici.mjs BODIES URL CONNECTIONS
// BODIES holds a body a line. Prints rows and seconds as JSON.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const { Pool } = createRequire(process.cwd() + '/')('undici')
const [path, url, connections] = process.argv.slice(2)
const bodies = readFileSync(path, 'utf8').trimEnd().split('\n').map((line) => Buffer.from(line))
const headers = { 'content-type': 'application/json', authorization: 'Bearer sk_test_benchmark' }
const pool = new Pool(url, { connections: Number(connections) })
let next = 0

async function work () {
  while (next < bodies.length) {
    const body = bodies[next++]
    const answer = await pool.request({ path: '/api/v1/attributes/values/batch', method: 'POST', headers, body })
    await answer.body.text()
    if (answer.statusCode !== 200) throw new Error(String(answer.statusCode))
  }
}

const began = performance.now()
await Promise.all(Array.from({ length: Number(connections) }, work))
const seconds = (performance.now() - began) / 1000
await pool.close()
console.log(JSON.stringify({ rows: bodies.length, seconds }))
