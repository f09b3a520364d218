// The lease story of both versions, told by a client that shares no code with the server: Node's grpc-js, which reads our
// .proto files as they are. The shop is told on standard input, as JSON:
//
//   {"merchant_id": "m1", "service_id": "cut", "duration_s": 3600, "starts_s": [1767355200, 1767441600]}
//
// Two slots, by their starts in seconds since 1970 UTC, each with one free spot.
//
//   node story.cjs --address HOST:PORT --protos FOLDER [--ca FILE [--cert FILE --key FILE] [--server-name NAME]]
//
// Without --ca the connection is plain; with --cert and --key the client shows a certificate of its own. Each sentence
// that comes true is printed; the first that does not ends the story with exit code 1.
"use strict";

const assert = require("node:assert/strict");
const fs = require("node:fs");
const path = require("node:path");
const { parseArgs } = require("node:util");
const grpc = require("@grpc/grpc-js");
const protoLoader = require("@grpc/proto-loader");

const DEADLINE_MS = 20_000;

const { values: options } = parseArgs({
  options: Object.fromEntries(
    ["address", "protos", "ca", "cert", "key", "server-name"].map((name) => [name, { type: "string" }]),
  ),
});

const shop = JSON.parse(fs.readFileSync(0, "utf8"));
const [first, second] = shop.starts_s.map((seconds) => ({
  merchant_id: shop.merchant_id,
  service_id: shop.service_id,
  start_time: { seconds: String(seconds) },
  duration: { seconds: String(shop.duration_s) },
}));

function credentials() {
  if (!options.ca) return grpc.credentials.createInsecure();
  const read = (name) => (options[name] ? fs.readFileSync(options[name]) : null);
  return grpc.credentials.createSsl(read("ca"), read("key"), read("cert"));
}

function connect(version) {
  const folder = `ext/maps/booking/partner/${version}`;
  const definition = protoLoader.loadSync(`${folder}/booking_service.proto`, {
    includeDirs: [path.resolve(options.protos)],
    keepCase: true,
    longs: String,
    enums: String,
    oneofs: true,
  });
  const { BookingService } = folder.split("/").reduce((at, name) => at[name], grpc.loadPackageDefinition(definition));
  const named = options["server-name"] ? { "grpc.ssl_target_name_override": options["server-name"] } : {};
  return new BookingService(options.address, credentials(), named);
}

/** The answer to one call; a status other than OK is thrown. */
function ask(client, method, request) {
  return new Promise((resolve, reject) => {
    const deadline = new Date(Date.now() + DEADLINE_MS);
    client[method](request, { deadline }, (error, answer) => (error ? reject(error) : resolve(answer)));
  });
}

/** The name of the status that a call ends with; it must not end well. */
async function refusal(client, method, request) {
  const error = await ask(client, method, request).then(
    () => assert.fail(`${method} was answered and should not have been`),
    (thrown) => thrown,
  );
  if (error instanceof assert.AssertionError) throw error;
  return grpc.status[error.code];
}

/** Health has a message of one text and one number: small enough to need no .proto file. */
function health(client, service) {
  const name = Buffer.from(service);
  const request = Buffer.concat([Buffer.from([0x0a, name.length]), name]);
  return new Promise((resolve, reject) => {
    const asIs = (bytes) => bytes;
    const told = (error, answer) => (error ? reject(error) : resolve(answer[1]));
    client.makeUnaryRequest("/grpc.health.v1.Health/Check", asIs, asIs, request, told);
  });
}

let sentences = 0;

async function sentence(text, proof) {
  try {
    await proof();
  } catch (error) {
    console.error(`not so: ${text}`);
    throw error;
  }
  sentences += 1;
  console.log(`so: ${text}`);
}

const ada = { given_name: "Ada", family_name: "Lovelace", telephone: "+41 44 000 00 00", email: "ada@example.com" };
const grace = { given_name: "Grace", family_name: "Hopper", telephone: "+1 202 555 0100", email: "grace@example.com" };

async function tellVersion2(v2, v0) {
  const lease = { slot: first, user_reference: "node-v2" };
  const available = async (slot) => (await ask(v2, "CheckAvailability", { slot })).count_available ?? 0;
  let leased;
  let booking;
  await sentence("version 2: the slot is free", async () => assert.equal(await available(first), 1));
  await sentence("version 2: a lease echoes what was asked and ends by itself", async () => {
    leased = (await ask(v2, "CreateLease", { lease })).lease;
    assert.deepEqual(leased.slot, first);
    assert.equal(leased.user_reference, "node-v2");
    assert.ok(Number(leased.lease_expiration_time.seconds) > 0);
  });
  await sentence("version 2: the same reference gets the same lease", async () =>
    assert.deepEqual((await ask(v2, "CreateLease", { lease })).lease, leased));
  await sentence("version 2: what is held is not free", async () => assert.equal(await available(first), 0));
  await sentence("version 0: what version 2 holds cannot be held", async () =>
    assert.equal(await refusal(v0, "CreateLease", { lease: { ...first, client_reference: "x" } }), "RESOURCE_EXHAUSTED"));
  const request = {
    slot: first,
    lease_ref: { lease_id: leased.lease_id },
    user_information: { ...ada, user_id: "ada" },
    idempotency_token: "node-v2",
  };
  await sentence("version 2: the lease becomes a booking", async () => {
    booking = (await ask(v2, "CreateBooking", request)).booking;
    assert.equal(booking.status, "CONFIRMED");
    assert.equal(booking.user_information.email, ada.email);
  });
  await sentence("version 2: the same token gets the same booking", async () =>
    assert.deepEqual((await ask(v2, "CreateBooking", request)).booking, booking));
  await sentence("version 2: a used lease is LEASE_EXPIRED for anybody else", async () => {
    const others = { ...request, user_information: { ...grace, user_id: "grace" }, idempotency_token: "other" };
    const answer = await ask(v2, "CreateBooking", others);
    assert.equal(answer.booking_failure.cause, "LEASE_EXPIRED");
    assert.ok(!answer.booking);
  });
  await sentence("version 2: the booking is listed and has a status", async () => {
    assert.deepEqual((await ask(v2, "ListBookings", { user_id: "ada" })).bookings, [booking]);
    const status = await ask(v2, "GetBookingStatus", { booking_id: booking.booking_id });
    assert.equal(status.booking_status, "CONFIRMED");
  });
  await sentence("version 2: cancelled, its spot is free again", async () => {
    const change = { booking: { booking_id: booking.booking_id, status: "CANCELED" } };
    assert.equal((await ask(v2, "UpdateBooking", change)).booking.status, "CANCELED");
    assert.equal(await available(first), 1);
  });
  await sentence("version 2: a request without a slot is an INVALID_ARGUMENT", async () =>
    assert.equal(await refusal(v2, "CheckAvailability", {}), "INVALID_ARGUMENT"));
}

async function tellVersion0(v0, v2) {
  const lease = { ...first, client_reference: "node-v0" };
  const available = async (slot) => (await ask(v2, "CheckAvailability", { slot })).count_available ?? 0;
  let leased;
  let booking;
  await sentence("version 0: a lease echoes what was asked and ends by itself", async () => {
    leased = (await ask(v0, "CreateLease", { lease })).lease;
    assert.equal(leased.merchant_id, first.merchant_id);
    assert.equal(leased.start_time.seconds, first.start_time.seconds);
    assert.equal(leased.duration.seconds, first.duration.seconds);
    assert.equal(leased.client_reference, "node-v0");
  });
  await sentence("version 0: the same reference gets the same lease", async () =>
    assert.deepEqual((await ask(v0, "CreateLease", { lease })).lease, leased));
  await sentence("version 2: what version 0 holds is not free", async () => assert.equal(await available(first), 0));
  const request = { lease_ref: { lease_id: leased.lease_id }, client_information: ada };
  await sentence("version 0: the lease becomes a booking", async () => {
    booking = (await ask(v0, "CreateBooking", request)).booking;
    assert.equal(booking.status, "CONFIRMED");
    assert.equal(booking.client_information.telephone, ada.telephone);
  });
  await sentence("version 0: asked again, the same booking", async () =>
    assert.deepEqual((await ask(v0, "CreateBooking", request)).booking, booking));
  await sentence("version 0: a used lease is NOT_FOUND for anybody else", async () =>
    assert.equal(await refusal(v0, "CreateBooking", { ...request, client_information: grace }), "NOT_FOUND"));
  await sentence("version 0: a booking moves and keeps its id", async () => {
    const moved = { booking_id: booking.booking_id, start_time: second.start_time, duration: second.duration };
    const change = { booking: moved, update_mask: { paths: ["start_time", "duration"] } };
    const answer = (await ask(v0, "UpdateBooking", change)).booking;
    assert.equal(answer.booking_id, booking.booking_id);
    assert.equal(answer.start_time.seconds, second.start_time.seconds);
    assert.deepEqual([await available(first), await available(second)], [1, 0]);
  });
  await sentence("version 0: cancelled, its spot is free again", async () => {
    const change = { booking: { booking_id: booking.booking_id, status: "CANCELED" }, update_mask: { paths: ["status"] } };
    assert.equal((await ask(v0, "UpdateBooking", change)).booking.status, "CANCELED");
    assert.equal(await available(second), 1);
  });
  await sentence("version 0: a booking that nobody made is NOT_FOUND", async () => {
    const change = { booking: { booking_id: "b1-1-00", status: "CANCELED" } };
    assert.equal(await refusal(v0, "UpdateBooking", change), "NOT_FOUND");
  });
}

async function main() {
  const [v0, v2] = ["v0", "v2"].map(connect);
  for (const version of ["v0", "v2"]) {
    await sentence(`health: ${version} is serving`, async () =>
      assert.equal(await health(v2, `ext.maps.booking.partner.${version}.BookingService`), 1));
  }
  await tellVersion2(v2, v0);
  await tellVersion0(v0, v2);
  v0.close();
  v2.close();
  console.log(`all ${sentences} sentences came true`);
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
  // Whatever is still open would keep the process waiting.
  setTimeout(() => process.exit(1), 100).unref();
});
