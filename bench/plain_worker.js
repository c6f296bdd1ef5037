// plain_worker.js: the worker that a competent engineer writes in an afternoon.
//
// The reference for the drain, outside the database: takes up to BATCH rows
// with FOR UPDATE SKIP LOCKED, POSTs them all at once over kept connections,
// waits for all, writes them back with one UPDATE, commits.  It survives a
// crash, tells no unknown outcome, checks no profile, keeps no quota.
//
//   node plain_worker.js SOCKET-DIR DATABASE URL BATCH [CA-FILE]
//
// Prints "ready"; for each line "N" that it reads it drains N messages, then
// prints "done".

'use strict';

const { Client } = require('pg');
const readline = require('readline');

const [host, database, url, batchText, caFile] = process.argv.slice(2);
const batch = Number(batchText);
const http = require(url.startsWith('https') ? 'https' : 'http');
const agent = new http.Agent({
	keepAlive: true,
	maxSockets: batch,
	ca: caFile ? require('fs').readFileSync(caFile) : undefined,
});
const client = new Client({ host, database, user: 'postgres' });

function post(row) {
	return new Promise((resolve) => {
		const body = JSON.stringify(row.body);
		const request = http.request(url, {
			method: 'POST',
			agent,
			headers: {
				'Content-Type': 'application/json',
				'Content-Length': Buffer.byteLength(body),
				'Ocp-Apim-Subscription-Key': 'key',
			},
		}, (answer) => {
			let text = '';
			answer.setEncoding('utf8');
			answer.on('data', (part) => { text += part; });
			answer.on('end', () => {
				const ok = answer.statusCode === 201;
				resolve({ id: row.id, status: ok ? 'sent' : 'failed',
					messageId: ok ? JSON.parse(text).id : null });
			});
		});
		request.on('error', () => resolve({ id: row.id, status: 'failed', messageId: null }));
		request.end(body);
	});
}

async function sendBatch() {
	await client.query('BEGIN');
	const { rows } = await client.query({
		name: 'take',
		text: `SELECT id, body FROM plain.queue WHERE status = 'queued'
			ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED`,
		values: [batch],
	});
	const answers = await Promise.all(rows.map(post));
	await client.query({
		name: 'settle',
		text: `UPDATE plain.queue AS q SET status = r.status, message_id = r.message_id,
			sent_at = now()
			FROM unnest($1::bigint[], $2::text[], $3::text[]) AS r(id, status, message_id)
			WHERE q.id = r.id`,
		values: [answers.map((a) => a.id), answers.map((a) => a.status),
			answers.map((a) => a.messageId)],
	});
	await client.query('COMMIT');
	return rows.length;
}

async function main() {
	await client.connect();
	console.log('ready');
	for await (const line of readline.createInterface({ input: process.stdin })) {
		let left = Number(line);
		while (left > 0) {
			left -= await sendBatch();
		}
		console.log('done');
	}
	await client.end();
	agent.destroy();
}

main().catch((error) => {
	console.error(error.message);
	process.exit(1);
});
