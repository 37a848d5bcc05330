#!/usr/bin/env bash
# Packs the package, installs the tarball in an empty folder as a user would, and tries its doors.
# Needs a finished build (`npm run build`).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

npm pack --silent --ignore-scripts --pack-destination "$folder" >/dev/null
npx publint run --strict "$folder"/rollcall-*.tgz

mkdir "$folder/app"
cd "$folder/app"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund ../rollcall-*.tgz

expected=$(node -p 'require("./node_modules/rollcall/package.json").version')
printed=$(npx --no-install rollcall version)
echo "rollcall version: $printed"
[[ "$printed" == *"$expected"* ]] || { echo "expected it to name $expected" >&2; exit 1; }

cat >try.mjs <<'JS'
import * as server from "rollcall";
import { connect } from "rollcall/client";
if (typeof connect !== "function") throw new Error("rollcall/client exports no function connect");
if (Object.keys(server).length === 0) throw new Error("rollcall exports nothing");
JS
node try.mjs
node -e 'if (typeof require("rollcall/client").connect !== "function") process.exit(1)'

for stray in src test docs biome.json tsconfig.json; do
  [[ ! -e "node_modules/rollcall/$stray" ]] || { echo "the tarball ships $stray" >&2; exit 1; }
done
echo "installed, ran and imported rollcall $expected"
