"""A plain asyncio loop over the openai client: nothing kept, nothing retried."""

import asyncio

import measure
import openai


async def call_all(prompts, url, at_once):
    gate = asyncio.Semaphore(at_once)
    async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:

        async def one(prompt):
            async with gate:
                reply = await client.chat.completions.create(
                    model="gpt-4o-mini", messages=[{"role": "user", "content": prompt}], max_tokens=256
                )
                return reply.choices[0].message.content

        return await asyncio.gather(*(one(prompt) for prompt in prompts))


def ask(prompts, *, url, at_once, folder):
    return asyncio.run(call_all(prompts, url, at_once))


if __name__ == "__main__":
    measure.measured(ask)
